"""A data root on a disk: drafts are written in `.work`, synced, and published by one rename."""

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.storage import moves
from headlines.storage.artifact import Artifact, read_manifest_file, verify_file, verify_files
from headlines.storage.atomic import (
    fsync_directory,
    fsync_tree,
    mkdir_durable,
    next_free_name,
    write_atomically,
)
from headlines.storage.cleanup import clean_work
from headlines.storage.layout import QUARANTINE, superseded
from headlines.storage.manifest import MANIFEST, Manifest, read_text_limited
from headlines.storage.store import Digest, Document, Store

_log = logging.getLogger(__name__)


class LocalStore(Store):
    """A data root in a directory.

    Args:
        root: the directory, an absolute path; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.directory = root
        self.url = str(root)

    def path(self, name: str) -> Path:
        """Where something lies."""
        return self.directory / name

    def require_writable(self) -> None:
        try:
            with self.staging("") as draft:
                (draft / "probe").write_bytes(b"")
        except OSError as error:
            raise InputError(
                f"the data root cannot be written ({error.strerror})",
                self.url,
                "fix its permissions or set HEADLINES_DATA to another directory",
            ) from error

    # --- artifacts ---------------------------------------------------------------------------

    def manifest(self, name: str) -> Manifest | None:
        return read_manifest_file(self.path(name))

    def has_manifest(self, name: str) -> bool:
        return (self.path(name) / MANIFEST).is_file()

    def open(
        self, name: str, files: Collection[str] | None = None, *, key: str | None = None
    ) -> Artifact | None:
        artifact = self._artifact(name)
        if artifact is None:
            return None
        if files is None:
            verify_files(artifact)
        for entry in artifact.manifest.files:
            if files is not None and entry.path in files:
                verify_file(artifact, entry)
        return artifact if key in (None, artifact.manifest.key) else None

    def verify(self, name: str, digest: Digest = file_sha256) -> Artifact | None:
        artifact = self._artifact(name)
        if artifact is not None:
            verify_files(artifact, digest)
        return artifact

    def list_artifacts(self, folder: str) -> list[str]:
        if not self.path(folder).is_dir():
            return []
        return sorted(
            f"{folder}/{path.name}"
            for path in self.path(folder).iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )

    def remove(self, name: str, *, keep_old: bool = False) -> None:
        with self._publishing(), self._displaced(name, keep_old=keep_old):
            pass

    def quarantine(self, name: str, reason: str) -> str | None:
        with self._publishing():
            with contextlib.suppress(DamagedArtifact):
                # It may have been replaced since, or while it was read: an intact one stays.
                self.open(name)
                return None
            target = next_free_name(self.path(f"{QUARANTINE}/{name}"))
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path(name).rename(target)
        _log.warning("%s is corrupt (%s); moved to %s", self.location(name), reason, target)
        return str(target)

    def _commit(self, name: str, draft: Path, manifest: Manifest, *, keep_old: bool) -> Artifact:
        target = self.path(name)
        fsync_tree(draft)
        with self._publishing():
            if (winner := self._of_key(name, manifest.key)) is not None:
                return winner
            with self._displaced(name, keep_old=keep_old):
                mkdir_durable(target.parent)
                draft.rename(target)
            fsync_directory(target.parent)
        return Artifact(name, str(target), target, manifest, reused=False)

    def _artifact(self, name: str) -> Artifact | None:
        manifest = self.manifest(name)
        path = self.path(name)
        return Artifact(name, str(path), path, manifest) if manifest else None

    def _of_key(self, name: str, key: str) -> Artifact | None:
        with contextlib.suppress(DamagedArtifact):
            artifact = self._artifact(name)
            return artifact if artifact and artifact.manifest.key == key else None
        return None

    def _publishing(self) -> contextlib.AbstractContextManager[None]:
        # Held for a few renames only: without it a slow writer could displace the artifact that a
        # quicker one has just put in the place of an older one.
        return self.lock("publishing")

    @contextlib.contextmanager
    def _displaced(self, name: str, *, keep_old: bool) -> Iterator[None]:
        """Move an artifact away, into `superseded/` or for good; put it back if the body fails."""
        path = self.path(name)
        if not path.exists():
            yield
            return
        with contextlib.ExitStack() as cleanup:
            if keep_old:
                target = next_free_name(self.path(superseded(name)))
                mkdir_durable(target.parent)
            else:
                target = cleanup.enter_context(self.staging(name)) / "removed"
            path.rename(target)
            try:
                yield
            except BaseException:
                target.rename(path)
                raise
            if keep_old:
                fsync_directory(target.parent)

    # --- documents ---------------------------------------------------------------------------

    def read_document(self, name: str) -> Document:
        try:
            return Document(name, read_text_limited(self.path(name)))
        except FileNotFoundError:
            return Document(name, None)

    def replace_document(self, document: Document, content: bytes) -> None:
        self.write_document(document.name, content)

    def back_up_document(self, document: Document) -> None:
        path = self.path(document.name)
        path.rename(next_free_name(path.with_name(f"{path.name}.damaged")))

    def write_document(self, name: str, content: bytes) -> Path:
        write_atomically(self.work, self.path(name), content)
        return self.path(name)

    def delete_document(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def list_documents(self, folder: str, suffix: str) -> list[str]:
        return sorted(f"{folder}/{path.name}" for path in self.path(folder).glob(f"*{suffix}"))

    # --- batch files -------------------------------------------------------------------------

    def fetch(self, name: str, wanted: Callable[[str], bool] = lambda _: True) -> Path:
        return self.path(name)

    def name_of(self, path: Path) -> str:
        path = path.absolute()
        is_inside = path.is_relative_to(self.directory)
        return path.relative_to(self.directory).as_posix() if is_inside else str(path)

    def move(self, path: Path, target: str, digests: Mapping[str, str]) -> bool:
        return moves.move(path, self.path(target), digests)

    def resume_moves(self, folder: str) -> None:
        moves.undo_moves(self.path(folder))

    def collect_garbage(self) -> int:
        return clean_work(self.work)
