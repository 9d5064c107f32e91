"""The mirror of a bucket: brings artifacts here as they are read, and knows what of them is here.

In the mirror an artifact's directory holds what it would hold in a local data root, and a note of
the object that its manifest came from. A directory may hold the manifest alone: the data files are
brought when the artifact is opened.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256
from headlines.storage.atomic import file_lock, mkdir_durable, staging_directory
from headlines.storage.bucket.objects import Bucket, ObjectInfo
from headlines.storage.bucket.old_manifest import is_tombstone, part_name
from headlines.storage.bucket.remote_state import RemoteState, read_note, standing_of, write_note
from headlines.storage.bucket.requests import parallel_map
from headlines.storage.bucket.survey import ListingSnapshot
from headlines.storage.layout import Catalog
from headlines.storage.manifest import MANIFEST, Manifest

_TRIES = 5  # for an artifact that is replaced while it is brought
_log = logging.getLogger(__name__)


class _Restless(DamagedArtifact):
    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory), "it is replaced again and again while it is read")


class Mirror:
    """A data root in a bucket and the directory that mirrors it."""

    def __init__(self, root: Path, address: str) -> None:
        self.catalog = Catalog(root)
        self.bucket = Bucket(address)
        self.survey = ListingSnapshot((), ())

    def name(self, path: Path) -> str:
        """The name of the object that a path mirrors."""
        return path.relative_to(self.catalog.root).as_posix()

    def path(self, name: str) -> Path:
        """The path that mirrors an object."""
        return self.catalog.root / name

    # --- one artifact ------------------------------------------------------------------------

    def refresh(self, directory: Path) -> RemoteState:
        """Have the manifest here agree with that of the bucket; say what stands there."""
        for _ in range(_TRIES):
            before = read_note(directory)
            found = self._asked(directory, before.etag if before else None)
            if found is None:
                assert before is not None
                return before
            if self._take(directory, *found, before):
                return found[0]
        raise _Restless(directory)

    def _asked(self, directory: Path, known: str | None) -> tuple[RemoteState, str] | None:
        """What stands in the bucket, and the text of its manifest; None where it is the known."""
        name = f"{self.name(directory)}/{MANIFEST}"
        surveyed = self.survey.objects_of(self.name(directory))
        if surveyed is not None:
            found = surveyed.get(name)
            if found is None:
                return RemoteState(), ""
            if is_tombstone(found.size):
                return RemoteState(found.etag), ""
            if found.etag == known:
                return None
        content = self.bucket.get(name, unless=known)
        if isinstance(content, bool):
            return None
        return standing_of(content)

    def bring(self, directory: Path, only: str | None = None) -> None:
        """Have an artifact here as it stands in the bucket: its manifest and all its files.

        Nothing is here afterwards where nothing stands there.

        Args:
            directory: of the artifact.
            only: the one file that is wanted.

        Raises:
            DamagedArtifact: a part in the bucket is missing, or is not what the manifest says.
        """
        for _ in range(_TRIES):
            standing = self.refresh(directory)
            if standing.writer is None:
                return  # there is none, or whoever reads its manifest finds it damaged
            try:
                manifest = Manifest.from_json((directory / MANIFEST).read_text(encoding="utf-8"))
            except (FileNotFoundError, ValueError):  # damaged or removed here
                self.drop(directory)
                continue
            try:
                self._bring_files(directory, manifest, standing, only)
                return
            except (FileNotFoundError, DamagedArtifact) as error:
                # Perhaps another writer has replaced it meanwhile.
                self.forget(directory)
                if self.refresh(directory).etag == standing.etag:
                    if isinstance(error, DamagedArtifact):
                        raise
                    raise DamagedArtifact(str(directory), str(error)) from None
        raise _Restless(directory)

    def bring_anew(self, directory: Path) -> None:
        """Bring an artifact whose copy here is damaged."""
        self.drop(directory)
        self.bring(directory)

    def parts_problem(self, directory: Path, manifest: Manifest, standing: RemoteState) -> str:
        """What is wrong with the parts of an artifact in the bucket, as far as a listing tells.

        Parts whose etags are not those that were written are brought and read.
        """
        assert standing.writer is not None
        listed = self.listing(directory)
        for entry in manifest.files:
            name = f"{self.name(directory)}/{part_name(entry.path, standing.writer)}"
            found = listed.get(name)
            if found is None:
                return f"{entry.path} is missing in the bucket"
            if found.size != entry.bytes:
                return f"{entry.path} has another size in the bucket"
            if found.etag != standing.etags.get(entry.path, found.etag):
                try:
                    self.drop(directory)
                    self.bring(directory)
                except DamagedArtifact as damage:
                    return damage.reason
        return ""

    def put_in_place(self, directory: Path, draft: Path, standing: RemoteState) -> None:
        """Have a draft that was published stand here too."""
        write_note(draft, standing)
        self.forget(directory)
        with file_lock(self.catalog, "publishing"):
            self._remove(directory)
            mkdir_durable(directory.parent)
            draft.rename(directory)

    def drop(self, directory: Path) -> None:
        """Remove what is here of an artifact."""
        self.forget(directory)
        with file_lock(self.catalog, "publishing"):
            self._remove(directory)

    def _take(
        self, directory: Path, standing: RemoteState, text: str, before: RemoteState | None
    ) -> bool:
        """Have here what stands in the bucket; say no if another process was quicker meanwhile."""
        if not standing.live and before is None and not (directory / MANIFEST).exists():
            return True
        with staging_directory(self.catalog, directory) as place:
            draft = place / "new"
            draft.mkdir()
            (draft / MANIFEST).write_text(text, encoding="utf-8")
            write_note(draft, standing)
            with file_lock(self.catalog, "publishing"):
                if read_note(directory) != before:
                    return False
                self._remove(directory)
                if standing.live:
                    mkdir_durable(directory.parent)
                    draft.rename(directory)
        return True

    def _bring_files(
        self, directory: Path, manifest: Manifest, standing: RemoteState, only: str | None
    ) -> None:
        writer = standing.writer
        assert writer is not None
        missing = [
            entry
            for entry in manifest.files
            if only in (None, entry.path)
            and not (directory / entry.path).is_symlink()
            and _size(directory / entry.path) != entry.bytes
        ]
        if not missing:
            return
        with staging_directory(self.catalog, directory) as place:

            def bring(numbered: "tuple[int, str, str]") -> None:
                number, path, sha256 = numbered
                part = f"{self.name(directory)}/{part_name(path, writer)}"
                draft = place / str(number)
                self.bucket.download(part, draft)
                if file_sha256(draft) != sha256:
                    raise DamagedArtifact(
                        str(directory), f"{path} in the bucket is not what the manifest says"
                    )
                mkdir_durable((directory / path).parent)
                draft.replace(directory / path)

            todo = [(n, entry.path, entry.sha256) for n, entry in enumerate(missing)]
            for _ in parallel_map(bring, todo):
                pass

    def _remove(self, directory: Path) -> None:
        """In one step; under the lock."""
        if directory.exists():
            with staging_directory(self.catalog, directory) as place:
                directory.rename(place / "removed")

    # --- many of them --------------------------------------------------------------------------

    def children(self, folder: Path) -> list[Path]:
        """The artifacts right below a folder, in order of name."""
        prefix = PurePosixPath(self.name(folder))
        found = set()
        for one in self.bucket.list(self.name(folder)):
            path = PurePosixPath(one.name)
            if (
                path.name == MANIFEST
                and path.parent.parent == prefix
                and not is_tombstone(one.size)
            ):
                found.add(self.path(path.parent.as_posix()))
        return sorted(found)

    @contextlib.contextmanager
    def surveyed(self, *folders: Path) -> Iterator[None]:
        """While it lasts, what is in folders of artifacts is known from one listing of each.

        What this process publishes, removes or claims meanwhile is asked for again.
        """
        listed = [self.name(folder) for folder in folders]
        objects = [one for folder in listed for one in self.bucket.list(folder)]
        self.survey = ListingSnapshot(listed, objects)
        try:
            for _ in parallel_map(self.refresh, [self.path(name) for name in self._unknown()]):
                pass
            yield
        finally:
            self.survey = ListingSnapshot((), ())

    def forget(self, directory: Path) -> None:
        """Ask the bucket again for what a survey told of an artifact."""
        self.survey.forget(self.name(directory))

    def listing(self, directory: Path) -> Mapping[str, ObjectInfo]:
        """The objects of an artifact by name."""
        seen = self.survey.objects_of(self.name(directory))
        if seen is None:
            seen = {one.name: one for one in self.bucket.list(self.name(directory))}
        return seen

    def _unknown(self) -> list[str]:
        """Directories of the survey whose manifests are not here yet."""
        unknown = []
        for name, objects in self.survey.by_directory().items():
            manifest = objects.get(f"{name}/{MANIFEST}")
            if manifest is not None and not is_tombstone(manifest.size):
                note = read_note(self.path(name))
                if note is None or note.etag != manifest.etag:
                    unknown.append(name)
        return unknown


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
