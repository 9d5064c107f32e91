"""A data root in a bucket: parts are written first, then the manifest that names them.

The manifest is written on the condition that nothing has changed since the writer began to upload.
So of several writers one wins, and the others delete their parts and look again. For the same
reason parts that are older than the manifest next to them and not named by it are garbage: their
writer will lose, or is dead.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath

from headlines.errors import DamagedArtifact, PreconditionFailed, StoreError
from headlines.hashing import file_sha256
from headlines.storage.artifact import Artifact
from headlines.storage.bucket.address import cache_directory
from headlines.storage.bucket.batch_files import BatchFiles
from headlines.storage.bucket.cache import ContentCache
from headlines.storage.bucket.objects import Bucket, ObjectBody, ObjectInfo
from headlines.storage.bucket.remote_manifest import (
    RemoteManifest,
    RemoteState,
    is_tombstone,
    new_write_id,
    part_name,
    tombstone,
)
from headlines.storage.bucket.requests import parallel_map
from headlines.storage.bucket.snapshot import ListingSnapshot
from headlines.storage.bucket.unreferenced import unreferenced
from headlines.storage.layout import (
    CACHE_KEPT,
    MACHINE_FOLDERS,
    QUARANTINE,
    SHARED_WORK,
    superseded,
)
from headlines.storage.local_store import LocalStore
from headlines.storage.manifest import MANIFEST, DataFile, Manifest
from headlines.storage.store import Digest, Document, Store

_ATTEMPTS = 10  # against other writers of the same artifact
_NOT_WORD = re.compile(r"\W")
_log = logging.getLogger(__name__)


class BucketStore(Store):
    """A data root in a bucket.

    Args:
        url: `s3://bucket/prefix`.

    Raises:
        InputError: the settings of the bucket cannot be used.

    Attributes:
        bucket: its objects.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.directory = cache_directory(url)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else's to read
        self.bucket = Bucket(url)
        self._machine = LocalStore(self.directory)  # what each machine keeps for itself
        self._cache = ContentCache(self.directory / "cache", self.work)
        self._batch_files = BatchFiles(self.bucket, self.directory / "batches", self.work)
        self._snapshot = ListingSnapshot()

    def require_writable(self) -> None:
        self._machine.require_writable()
        self.bucket.require_writable()

    # --- artifacts ---------------------------------------------------------------------------

    def manifest(self, name: str) -> Manifest | None:
        if _is_of_machine(name):
            return self._machine.manifest(name)
        remote = self._readable(name, self.state(name))
        return remote.manifest if remote else None

    def has_manifest(self, name: str) -> bool:
        if name.startswith("/"):  # a file of this machine
            return False
        if _is_of_machine(name):
            return self._machine.has_manifest(name)
        return self.state(name).exists

    def open(
        self, name: str, files: Collection[str] | None = None, *, key: str | None = None
    ) -> Artifact | None:
        if _is_of_machine(name):
            return self._machine.open(name, files, key=key)
        for attempt in range(_ATTEMPTS):
            state = self.state(name)
            remote = self._readable(name, state)
            if remote is None or key not in (None, remote.manifest.key):
                return None
            wanted = [e for e in remote.manifest.files if files is None or e.path in files]
            try:
                view = self._cache.view(remote.manifest, wanted, self._downloads(name, remote))
            except (FileNotFoundError, ValueError) as error:
                is_same = self.state(name, fresh=True).etag == state.etag
                evicted = isinstance(error, FileNotFoundError) and attempt == 0
                if is_same and not evicted:
                    raise DamagedArtifact(self.location(name), str(error)) from None
                continue  # replaced by another writer, or its local copy removed by another run
            return self._artifact(name, remote.manifest, view)
        raise DamagedArtifact(self.location(name), "it keeps being replaced while it is read")

    def verify(self, name: str, digest: Digest = file_sha256) -> Artifact | None:
        if _is_of_machine(name):
            return self._machine.verify(name, digest)
        remote = self._readable(name, self.state(name))
        if remote is None:
            return None
        self._check_parts(name, remote)
        return self._artifact(name, remote.manifest, self._cache.view_path(remote.manifest))

    def list_artifacts(self, folder: str) -> list[str]:
        if _is_of_machine(folder):
            return self._machine.list_artifacts(folder)
        prefix = PurePosixPath(folder)
        return sorted(
            str(path.parent)
            for path, size in ((PurePosixPath(i.name), i.size) for i in self.bucket.list(folder))
            if path.name == MANIFEST and path.parent.parent == prefix and not is_tombstone(size)
        )

    def remove(self, name: str, *, keep_old: bool = False) -> None:
        if _is_of_machine(name):
            self._machine.remove(name, keep_old=keep_old)
            return
        if name.startswith(f"{SHARED_WORK}/"):  # of one run alone, and named by its content
            self.bucket.delete([info.name for info in self.bucket.list(name)])
            return
        for _ in range(_ATTEMPTS):
            state = self.state(name)
            if not state.exists or self._removed(name, state, superseded(name) if keep_old else ""):
                return
        raise self._contended(name)

    def quarantine(self, name: str, reason: str) -> str | None:
        if _is_of_machine(name):
            return self._machine.quarantine(name, reason)
        state = self.state(name, fresh=True)
        with contextlib.suppress(DamagedArtifact):
            # It may have been replaced since, or while it was read: an intact one stays.
            if (remote := self._readable(name, state)) is not None:
                self._check_parts(name, remote, read=True)
            return None
        target = f"{QUARANTINE}/{name}"
        if not self._removed(name, state, target):
            return None
        location = self.location(_copy_name(target, state))
        _log.warning("%s is corrupt (%s); moved to %s", self.location(name), reason, location)
        return location

    def _commit(self, name: str, draft: Path, manifest: Manifest, *, keep_old: bool) -> Artifact:
        if _is_of_machine(name):
            return self._machine._commit(name, draft, manifest, keep_old=keep_old)
        for _ in range(_ATTEMPTS):
            before = self.state(name, fresh=True)
            if before.remote and before.remote.manifest.key == manifest.key:
                if (winner := self.open(name)) is not None:
                    return winner
                continue
            remote = self._upload(name, draft, manifest)
            if keep_old:
                self._copy(name, superseded(name), before)
            content = remote.to_bytes()
            try:
                etag = self.bucket.replace(_manifest_name(name), content, before.etag)
            except PreconditionFailed:
                self._delete(_part_names(name, remote))
                continue
            self._cache.keep_manifest(name, ObjectBody(content, etag))
            self._snapshot.forget(name)
            view = self._cache.adopt(draft, manifest)
            self._delete(_part_names(name, before.remote))
            return self._artifact(name, manifest, view, reused=False)
        raise self._contended(name)

    def state(self, name: str, *, fresh: bool = False) -> RemoteState:
        """What the bucket has of an artifact.

        Args:
            name: of the artifact.
            fresh: ask the bucket, whatever `listed` knows.
        """
        if fresh:
            self._snapshot.forget(name)
        cached = self._cache.manifest(name)
        known = RemoteState() if cached is None else RemoteState.of(cached)
        etag = cached.etag if cached and known.remote else None
        listing = self._snapshot.objects_of(name)
        if listing is not None:
            info = listing.get(_manifest_name(name))
            if info is None:
                return RemoteState()
            if is_tombstone(info.size):
                return RemoteState(info.etag)
        content: ObjectBody | bool | None = False
        if listing is None or info is None or etag is None or info.etag != etag:
            content = self.bucket.get(_manifest_name(name), unless=etag)
        if isinstance(content, bool):
            return RemoteState(etag, known.remote)
        state = RemoteState.of(content)
        if content and state.remote:
            self._cache.keep_manifest(name, content)
        return state

    def _readable(self, name: str, state: RemoteState) -> RemoteManifest | None:
        if state.problem:
            raise DamagedArtifact(self.location(name), f"{MANIFEST}: {state.problem}")
        return state.remote

    def _artifact(
        self, name: str, manifest: Manifest, view: Path, *, reused: bool = True
    ) -> Artifact:
        return Artifact(name, self.location(name), view, manifest, reused)

    def _downloads(self, name: str, remote: RemoteManifest) -> Callable[[DataFile, Path], None]:
        def download(entry: DataFile, target: Path) -> None:
            self.bucket.download(f"{name}/{remote.part_name(entry.path)}", target)

        return download

    def _check_parts(self, name: str, remote: RemoteManifest, *, read: bool = False) -> None:
        """See that all parts are in the bucket; of those whose etag has changed, read the content.

        Args:
            name: of the artifact.
            remote: its manifest.
            read: read the content of all.

        Raises:
            DamagedArtifact: a part is missing or altered.
        """
        listing = self._listing(name)
        suspect = []
        for entry in remote.manifest.files:
            info = listing.get(f"{name}/{remote.part_name(entry.path)}")
            if info is None or info.size != entry.bytes:
                problem = "is missing" if info is None else "has another size"
                raise DamagedArtifact(self.location(name), f"{entry.path} {problem} in the bucket")
            if read or info.etag != remote.etags.get(entry.path, info.etag):
                suspect.append(entry)
        with self.staging(name) as draft:
            for number, entry in enumerate(suspect):
                target = draft / str(number)
                with contextlib.suppress(FileNotFoundError):
                    self._downloads(name, remote)(entry, target)
                if not target.exists() or file_sha256(target) != entry.sha256:
                    raise DamagedArtifact(
                        self.location(name),
                        f"{entry.path} in the bucket is not what the manifest says",
                    )
                target.unlink()

    def _upload(self, name: str, draft: Path, manifest: Manifest) -> RemoteManifest:
        """Upload the files of a draft as parts, and give the manifest that is to name them."""
        write_id = new_write_id()
        paths = [entry.path for entry in manifest.files]

        def upload(path: str) -> str:
            return self.bucket.upload(draft / path, f"{name}/{part_name(path, write_id)}")

        etags = dict(zip(paths, parallel_map(upload, paths), strict=True))
        return RemoteManifest(manifest, write_id, etags)

    def _removed(self, name: str, state: RemoteState, copy_to: str) -> bool:
        """Remove an artifact, copied before if `copy_to` is given; False if it has changed."""
        if copy_to:
            self._copy(name, copy_to, state)
        try:
            self.bucket.replace(_manifest_name(name), tombstone(), state.etag)
        except PreconditionFailed:
            return False
        finally:
            self._snapshot.forget(name)
        self._delete(_part_names(name, state.remote))
        return True

    def _copy(self, name: str, target: str, state: RemoteState) -> None:
        """Copy an artifact within the bucket, as far as it is there; a second time is harmless."""
        if not state.exists:
            return
        target = _copy_name(target, state)

        def copy(part: str) -> None:
            try:
                self.bucket.copy(part, f"{target}{part.removeprefix(name)}")
            except FileNotFoundError:  # this is the damage, or another run was first
                _log.info("%s no longer exists and is not kept", self.location(part))

        for _ in parallel_map(copy, _part_names(name, state.remote)):
            pass
        copy(_manifest_name(name))

    def _delete(self, names: list[str]) -> None:
        try:
            self.bucket.delete(names)
        except StoreError as error:
            _log.warning("could not delete old files (%s); the next night will", error)

    def _contended(self, name: str) -> StoreError:
        return StoreError(f"{self.location(name)}: other runs keep replacing it; try again")

    # --- many artifacts ----------------------------------------------------------------------

    @contextlib.contextmanager
    def listed(self, *folders: str) -> Iterator[None]:
        objects = [info for folder in folders for info in self.bucket.list(folder)]
        self._snapshot = ListingSnapshot(folders, objects)
        try:
            for _ in parallel_map(self.state, self._not_cached()):
                pass
            yield
        finally:
            self._snapshot = ListingSnapshot()

    def _not_cached(self) -> list[str]:
        """The artifacts of the listing whose manifests are not in the cache."""
        names = []
        for name, objects in self._snapshot.by_artifact().items():
            info, cached = objects.get(_manifest_name(name)), self._cache.manifest(name)
            if info and not is_tombstone(info.size) and (not cached or cached.etag != info.etag):
                names.append(name)
        return names

    def refresh(self, *names: str) -> None:
        for name in names:
            self._snapshot.forget(name)

    def _listing(self, name: str) -> Mapping[str, ObjectInfo]:
        listing = self._snapshot.objects_of(name)
        if listing is None:
            listing = {info.name: info for info in self.bucket.list(name)}
        return listing

    # --- documents ---------------------------------------------------------------------------

    def read_document(self, name: str) -> Document:
        content = self.bucket.read(name)
        if content is None:
            return Document(name, None)
        return Document(name, content.body.decode(errors="replace"), content.etag)

    def replace_document(self, document: Document, content: bytes) -> None:
        self.bucket.replace(document.name, content, document.etag)

    def back_up_document(self, document: Document) -> None:
        if document.etag is not None:
            version = sha256(document.etag.encode()).hexdigest()[:8]
            self.bucket.copy(document.name, f"{document.name}.damaged~{version}")

    def write_document(self, name: str, content: bytes) -> Path:
        self.bucket.upload(content, name)
        return self._machine.write_document(name, content)  # for those who look at it here

    def delete_document(self, name: str) -> None:
        self.bucket.delete([name])

    def list_documents(self, folder: str, suffix: str) -> list[str]:
        names = (info.name for info in self.bucket.list(folder))
        return sorted(n for n in names if n.endswith(suffix) and n.rpartition("/")[0] == folder)

    # --- batch files -------------------------------------------------------------------------

    def fetch(self, name: str, wanted: Callable[[str], bool] = lambda _: True) -> Path:
        return Path(name) if name.startswith("/") else self._batch_files.fetch(name, wanted)

    def name_of(self, path: Path) -> str:
        return self._batch_files.name_of(path)

    def move(self, path: Path, target: str, digests: Mapping[str, str]) -> bool:
        return self._batch_files.move(self.name_of(path), target, digests)

    def resume_moves(self, folder: str) -> None:
        self._batch_files.resume_moves(folder)

    # --- this machine ------------------------------------------------------------------------

    def collect_garbage(self) -> int:
        """As everywhere; and in the bucket, what no manifest names and no writer will name."""
        garbage = unreferenced(self.bucket, self._snapshot.by_artifact(), self.state)
        self.bucket.delete(garbage)
        return len(garbage) + self._machine.collect_garbage() + self._cache.evict(CACHE_KEPT)


def _is_of_machine(name: str) -> bool:
    return not name.startswith(f"{SHARED_WORK}/") and name.startswith(
        tuple(f"{folder}/" for folder in MACHINE_FOLDERS)
    )


def _manifest_name(name: str) -> str:
    return f"{name}/{MANIFEST}"


def _part_names(name: str, remote: RemoteManifest | None) -> list[str]:
    if remote is None:
        return []
    return [f"{name}/{remote.part_name(entry.path)}" for entry in remote.manifest.files]


def _copy_name(target: str, state: RemoteState) -> str:
    """Where an artifact is kept: the same name whoever copies it."""
    write_id = state.remote.write_id if state.remote else ""
    return f"{target}~{write_id or _NOT_WORD.sub('', state.etag or '')}"
