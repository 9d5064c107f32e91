"""The artifact: a directory of data files with a manifest that says what they are made from.

Every stage turns inputs into one artifact. This module alone writes and reads them:

- a draft is written in `<root>/.work`, its files and directory are synced, and one rename
  publishes it, so a reader sees the whole artifact or none of it;
- the manifest's key is a digest of all that decides the content, so a stage whose key already
  has a valid artifact reuses it;
- opening an artifact checks the digest of every file.

Where the data root is in a bucket, the directory is the mirror's: `headlines.storage.bucket` brings
what is read, and publishes what is written there before it stands here.
"""

import contextlib
import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256, json_digest
from headlines.storage.atomic import (
    file_lock,
    fsync_directory,
    fsync_tree,
    mkdir_durable,
    next_free_name,
    staging_directory,
    write_durable,
)
from headlines.storage.bucket.address import root_of_mirror
from headlines.storage.layout import Catalog
from headlines.storage.manifest import (
    MANIFEST,
    DataFile,
    Input,
    Manifest,
    Recipe,
    read_text_limited,
)

if TYPE_CHECKING:
    from headlines.storage.bucket.mirror import Mirror

_log = logging.getLogger(__name__)

# What a file system says that knows no files of several names, or no more of this one.
_HARDLINK_UNSUPPORTED = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Artifact:
    """A published artifact.

    Attributes:
        directory: its files on this machine, as far as they were asked for; never written to.
        manifest: what it says of itself.
        reused: whether it existed before.
        name: relative to the data root.
        location: where people find it: a path, or a URL in a bucket.
    """

    directory: Path
    manifest: Manifest
    reused: bool = True
    name: str = ""
    location: str = ""

    @property
    def version(self) -> str:
        """The last component of its name: of a model, its version."""
        return self.name.rpartition("/")[2]

    @property
    def counts(self) -> dict[str, Any]:
        """The manifest's counts."""
        return self.manifest.counts

    @property
    def rows(self) -> int:
        """Rows of all its Parquet files."""
        return sum(entry.rows or 0 for entry in self.manifest.files)

    def files(self, suffix: str = "") -> list[Path]:
        """Its data files with that ending, in order of name."""
        return [self.directory / f.path for f in self.manifest.files if f.path.endswith(suffix)]

    def as_source(self, catalog: Catalog | None = None) -> Input:
        """This artifact as the input of another."""
        name = catalog.relative(self.directory) if catalog else self.name
        return Input(name, self.manifest.key, self.rows)


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of an artifact, its files unchecked; None where no artifact is.

    Raises:
        DamagedArtifact: the directory is there without a manifest that can be read.
    """
    mirror = _mirror_of(directory)
    if mirror is not None:
        if not mirror.refresh(directory).live:
            return None
        with contextlib.suppress(DamagedArtifact):
            return read_manifest_file(directory)
        mirror.drop(directory)  # it may be damaged here alone
        mirror.refresh(directory)
    return read_manifest_file(directory)


def open_artifact(directory: Path, digest: Callable[[Path], str] = file_sha256) -> Artifact | None:
    """Open an artifact and check the digest of every file; None where no artifact is.

    Args:
        directory: where it lies.
        digest: gives the SHA-256 of a file; the default reads it.

    Raises:
        DamagedArtifact: a file is missing, altered, a link, or not named by the manifest.
    """
    if (mirror := _mirror_of(directory)) is not None:
        mirror.bring(directory)
        with contextlib.suppress(DamagedArtifact):
            return _verify_local(directory, digest)
        mirror.bring_anew(directory)  # it may be damaged here alone
    return _verify_local(directory, digest)


def verify(directory: Path, digest: Callable[[Path], str] = file_sha256) -> Artifact | None:
    """An artifact whose files are whole, but need not be here; None where no artifact is.

    In a local data root it is opened. Of one in a bucket names, sizes and etags are compared.

    Raises:
        DamagedArtifact: as `open_artifact` does.
    """
    mirror = _mirror_of(directory)
    if mirror is None:
        return _verify_local(directory, digest)
    standing = mirror.refresh(directory)
    if not standing.live:
        return None
    manifest = read_manifest_file(directory)
    if manifest is None:
        return None
    if problem := mirror.parts_problem(directory, manifest, standing):
        raise DamagedArtifact(str(directory), problem)
    return Artifact(directory, manifest)


def have_here(directory: Path, name: str | None = None) -> None:
    """See that an artifact of a bucket is here, or one file of it, for who reads it by path."""
    if (mirror := _mirror_of(directory)) is not None:
        mirror.bring(directory, name)


def list_artifacts(folder: Path) -> list[Path]:
    """The directories right below a folder that an artifact stands in, in order of name."""
    if (mirror := _mirror_of(folder)) is not None:
        return mirror.children(folder)
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _verify_local(directory: Path, digest: Callable[[Path], str]) -> Artifact | None:
    manifest = read_manifest_file(directory)
    if manifest is None:
        return None
    artifact = Artifact(directory, manifest, location=str(directory))
    verify_files(artifact, digest)
    return artifact


def find_valid(catalog: Catalog, target: Path, key: str) -> Artifact | None:
    """The valid artifact at `target` if it has that key, else None.

    A damaged one is set aside with a warning, so that the caller can make it anew.
    """
    try:
        if _mirror_of(target) is not None:  # what is of another key is not brought here
            manifest = read_manifest(target)
            if manifest is None or manifest.key != key:
                return None
        artifact = open_artifact(target)
    except DamagedArtifact as damage:
        quarantine(catalog, target, damage.reason)
        return None
    return artifact if artifact and artifact.manifest.key == key else None


def quarantine(catalog: Catalog, target: Path, reason: str) -> Path | None:
    """Move a damaged artifact out of the readers' way, with a warning.

    Returns:
        Where it lies now; None if another process moved or replaced it first.
    """
    if (mirror := _mirror_of(target)) is not None:
        from headlines.storage.bucket.publishing import set_aside_artifact

        with contextlib.suppress(DamagedArtifact):
            open_artifact(target)
            return None
        if (aside := set_aside_artifact(mirror, target)) is not None:
            _log.warning("%s is damaged (%s); set aside as %s", target, reason, aside)
        return aside
    with _publish_lock(catalog):
        with contextlib.suppress(DamagedArtifact):
            # What was found damaged may have been replaced by a whole one since, or while it was
            # read: that one stays.
            _verify_local(target, file_sha256)
            return None
        place = next_free_name(catalog.work / "damaged" / target.relative_to(catalog.root))
        place.parent.mkdir(parents=True, exist_ok=True)
        target.rename(place)
    _log.warning("%s is damaged (%s); set aside as %s", target, reason, place)
    return place


def publish(
    catalog: Catalog,
    target: Path,
    recipe: Recipe,
    make: Callable[[Path], dict[str, Any]],
    *,
    versions: Mapping[str, str] | None = None,
    keep_superseded: bool = False,
) -> Artifact:
    """Make an artifact and publish it at `target`; reuse a valid one with the same key.

    Args:
        catalog: the data root.
        target: directory to publish; at most one artifact is ever there.
        recipe: what decides its content.
        make: writes the data files below the directory it is given and returns the counts.
        versions: libraries whose versions are worth knowing afterwards.
        keep_superseded: whether an artifact of another key that stands at `target` is kept in
            `superseded/`; else it is removed.

    Returns:
        The artifact: this one, or that of another writer of the same key who was first.

    Raises:
        OSError: it cannot be written, e.g. for want of space; what stood there stands unchanged.
    """
    if existing := find_valid(catalog, target, recipe.key):
        return existing
    started = time.monotonic()
    with staging_directory(catalog, target) as draft:
        counts = make(draft)
        manifest = Manifest(
            key=recipe.key,
            stage=recipe.stage,
            stage_version=recipe.version,
            inputs=recipe.sources,
            config=dict(recipe.config),
            files=tuple(describe_file(draft, path) for path in data_files(draft)),
            counts=counts,
            versions=dict(versions or {}),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 3),
        )
        write_durable(draft / MANIFEST, manifest.to_json().encode())
        if (mirror := _mirror_of(target)) is not None:
            from headlines.storage.bucket.publishing import publish_draft

            if not publish_draft(mirror, target, draft, manifest, keep_superseded=keep_superseded):
                return _winner(target)
            return Artifact(target, manifest, reused=False)
        fsync_tree(draft)
        with _publish_lock(catalog):
            if (first := _same_key(target, recipe.key)) is not None:
                return first
            with _displaced(catalog, target, keep_superseded=keep_superseded):
                mkdir_durable(target.parent)
                draft.rename(target)
            fsync_directory(target.parent)
    return Artifact(target, manifest, reused=False)


def copy_file(artifact: Artifact, name: str, target: Path) -> None:
    """Copy a data file of an artifact to a place outside of it.

    Raises:
        DamagedArtifact: the copy is not what the manifest says.
    """
    _copy_verified(artifact, name, target, shutil.copyfile)


def link_file(artifact: Artifact, name: str, target: Path) -> None:
    """Have a data file of an artifact that is to be removed stand in another place.

    Its bytes are not written again where the file system knows files of several names.

    Raises:
        DamagedArtifact: the file is not what the manifest says.
    """

    def link(source: Path, target: Path) -> None:
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno not in _HARDLINK_UNSUPPORTED:
                raise
            shutil.copyfile(source, target)

    _copy_verified(artifact, name, target, link)


def _copy_verified(
    artifact: Artifact, name: str, target: Path, bring: Callable[[Path, Path], object]
) -> None:
    if (mirror := _mirror_of(artifact.directory)) is not None:
        mirror.bring(artifact.directory)  # a worker elsewhere may have published it
    bring(artifact.directory / name, target)
    [digest] = [entry.sha256 for entry in artifact.manifest.files if entry.path == name]
    if file_sha256(target) != digest:
        raise DamagedArtifact(str(artifact.directory), f"{name} is not what the manifest says")


def remove(catalog: Catalog, target: Path, *, keep_superseded: bool = False) -> None:
    """Take an artifact away in one step, into `superseded/` if it is to be kept."""
    if (mirror := _mirror_of(target)) is not None:
        from headlines.storage.bucket.publishing import remove_artifact

        remove_artifact(mirror, target, keep_superseded=keep_superseded)
        return
    with _publish_lock(catalog), _displaced(catalog, target, keep_superseded=keep_superseded):
        pass


@contextlib.contextmanager
def _displaced(catalog: Catalog, target: Path, *, keep_superseded: bool) -> Iterator[None]:
    """Move what stands at `target` away, for good if all goes well meanwhile; else put it back."""
    if not target.exists():
        yield
        return
    with contextlib.ExitStack() as cleanup:
        if keep_superseded:
            place = next_free_name(catalog.superseded(target))
            mkdir_durable(place.parent)
        else:
            place = cleanup.enter_context(staging_directory(catalog, target)) / "removed"
        target.rename(place)
        try:
            yield
        except BaseException:
            place.rename(target)
            raise
        if keep_superseded:
            fsync_directory(place.parent)


def _publish_lock(catalog: Catalog) -> contextlib.AbstractContextManager[None]:
    # Held for a few renames only: without it a slow writer could take away the artifact that a
    # quicker one has just put in the place of an older one.
    return file_lock(catalog, "publishing")


def _winner(target: Path) -> Artifact:
    artifact = open_artifact(target)
    if artifact is None:
        raise DamagedArtifact(str(target), "it was taken away as it was published")
    return artifact


def _mirror_of(path: Path) -> "Mirror | None":
    if root_of_mirror(path) is None:
        return None
    from headlines.storage.bucket.mirrors import mirror_of

    return mirror_of(path)


def _same_key(target: Path, key: str) -> Artifact | None:
    try:
        manifest = read_manifest_file(target)
    except DamagedArtifact:
        return None
    return Artifact(target, manifest) if manifest and manifest.key == key else None


def combined_digest(names: Sequence[str], digests: Sequence[str]) -> str:
    """One digest for files in their order; that of one file alone is its own."""
    return digests[0] if len(digests) == 1 else json_digest(list(zip(names, digests, strict=True)))


def source_digest(path: Path, source: Input) -> str | None:
    """The digest that a path has now of the files that a source named; None if they are gone."""
    try:
        if not source.files:
            return file_sha256(path)
        return combined_digest(source.files, [file_sha256(path / name) for name in source.files])
    except OSError:
        return None


def read_manifest_file(directory: Path) -> Manifest | None:
    """The manifest in a directory; None where no directory is.

    Raises:
        DamagedArtifact: there is none that can be read.
    """
    if not directory.exists():
        return None
    try:
        return Manifest.from_json(read_text_limited(directory / MANIFEST))
    except (OSError, ValueError) as error:
        raise DamagedArtifact(str(directory), f"{MANIFEST}: {error}") from error


def verify_files(artifact: Artifact, digest: Callable[[Path], str] = file_sha256) -> None:
    """See that the files in an artifact's directory are those that the manifest names.

    Raises:
        DamagedArtifact: one is missing, altered, a link, not named, or cannot be read.
    """
    directory = artifact.directory
    try:
        existing = {path.relative_to(directory).as_posix() for path in data_files(directory)}
    except OSError as error:  # a folder was removed in the meantime
        raise DamagedArtifact(artifact.location, str(error)) from error
    named = {entry.path for entry in artifact.manifest.files}
    if existing != named:
        raise DamagedArtifact(
            artifact.location,
            f"missing files {sorted(named - existing)}, files not in the manifest "
            f"{sorted(existing - named)}",
        )
    for entry in artifact.manifest.files:
        verify_file(artifact, entry, digest)


def verify_file(
    artifact: Artifact, entry: DataFile, digest: Callable[[Path], str] = file_sha256
) -> None:
    """See that one data file is what the manifest says.

    Raises:
        DamagedArtifact: it is missing, altered, or a link, or cannot be read.
    """
    path = artifact.directory / entry.path
    try:
        if path.is_symlink():  # anyone may change what it points to
            raise DamagedArtifact(artifact.location, f"{entry.path} is a link")
        if path.stat().st_size != entry.bytes or digest(path) != entry.sha256:
            raise DamagedArtifact(artifact.location, f"{entry.path} is not what the manifest says")
    except OSError as error:
        raise DamagedArtifact(artifact.location, str(error)) from error


def data_files(directory: Path) -> list[Path]:
    """All files of an artifact but its manifest, in order of name."""
    # Hidden files are none of ours: file managers and network file systems leave them anywhere.
    # But DuckDB and Polars read hidden Parquet, so a stray one is damage.
    return sorted(
        path
        for path in directory.rglob("*")
        if (path.is_file() or path.is_symlink())
        and path != directory / MANIFEST
        and (not path.name.startswith(".") or path.suffix == ".parquet")
    )


def describe_file(directory: Path, path: Path) -> DataFile:
    """What a manifest says of a data file."""
    rows = None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(path).num_rows
    name = path.relative_to(directory).as_posix()
    return DataFile(name, file_sha256(path), path.stat().st_size, rows)
