"""The artifact: a directory of data files with a manifest that says what they are made from.

Every stage turns inputs into one artifact. This module alone writes and reads them:

- a draft is written in `<root>/.work`, its files and directory are synced, and one rename
  publishes it, so a reader sees the whole artifact or none of it;
- the manifest's key is a digest of all that decides the content, so a stage whose key already
  has a valid artifact reuses it;
- opening an artifact checks the digest of every file.

Where the data root is in a bucket, the directory is the mirror's: `headlines.object_store` brings
what is read, and publishes what is written there before it stands here.
"""

import contextlib
import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.artifact_files import check_files, data_files, described, manifest_in
from headlines.catalog import Catalog
from headlines.drafts import (
    drafted,
    free_name,
    locked,
    make_directory,
    sync_directory,
    sync_tree,
    write_synced,
)
from headlines.errors import DamagedArtifact
from headlines.manifest import (
    MANIFEST,
    Manifest,
    Recipe,
    Source,
    file_digest,
)
from headlines.object_store.address import root_of_mirror

if TYPE_CHECKING:
    from headlines.object_store.mirror import Mirror

_log = logging.getLogger(__name__)

# What a file system says that knows no files of several names, or no more of this one.
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Artifact:
    """A published artifact whose digests were checked.

    Attributes:
        directory: where it lies.
        manifest: what it says of itself.
        reused: whether it was there already.
    """

    directory: Path
    manifest: Manifest
    reused: bool = True

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

    def as_source(self, catalog: Catalog) -> Source:
        """This artifact as the input of another."""
        return Source(catalog.relative(self.directory), self.manifest.key, self.rows)


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
            return manifest_in(directory)
        mirror.drop(directory)  # it may be damaged here alone
        mirror.refresh(directory)
    return manifest_in(directory)


def open_artifact(directory: Path, digest: Callable[[Path], str] = file_digest) -> Artifact | None:
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
            return _opened(directory, digest)
        mirror.bring_anew(directory)  # it may be damaged here alone
    return _opened(directory, digest)


def look_at(directory: Path, digest: Callable[[Path], str] = file_digest) -> Artifact | None:
    """An artifact whose files are whole, but need not be here; None where no artifact is.

    In a local data root it is opened. Of one in a bucket names, sizes and etags are compared.

    Raises:
        DamagedArtifact: as `open_artifact` does.
    """
    mirror = _mirror_of(directory)
    if mirror is None:
        return _opened(directory, digest)
    standing = mirror.refresh(directory)
    if not standing.live:
        return None
    manifest = manifest_in(directory)
    if manifest is None:
        return None
    if problem := mirror.parts_problem(directory, manifest, standing):
        raise DamagedArtifact(str(directory), problem)
    return Artifact(directory, manifest)


def have_here(directory: Path, name: str | None = None) -> None:
    """See that an artifact of a bucket is here, or one file of it, for who reads it by path."""
    if (mirror := _mirror_of(directory)) is not None:
        mirror.bring(directory, name)


def artifacts_in(folder: Path) -> list[Path]:
    """The directories right below a folder that an artifact stands in, in order of name."""
    if (mirror := _mirror_of(folder)) is not None:
        return mirror.children(folder)
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _opened(directory: Path, digest: Callable[[Path], str]) -> Artifact | None:
    manifest = manifest_in(directory)
    if manifest is None:
        return None
    try:
        check_files(directory, manifest, digest)
    except OSError as error:
        raise DamagedArtifact(str(directory), str(error)) from error
    return Artifact(directory, manifest)


def find(catalog: Catalog, target: Path, key: str) -> Artifact | None:
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
        set_aside(catalog, target, damage.reason)
        return None
    return artifact if artifact and artifact.manifest.key == key else None


def set_aside(catalog: Catalog, target: Path, reason: str) -> Path | None:
    """Move a damaged artifact out of the readers' way, with a warning.

    Returns:
        Where it lies now; None if another process moved or replaced it first.
    """
    if (mirror := _mirror_of(target)) is not None:
        from headlines.object_store.publishing import set_aside_artifact

        with contextlib.suppress(DamagedArtifact):
            open_artifact(target)
            return None
        if (aside := set_aside_artifact(mirror, target)) is not None:
            _log.warning("%s is damaged (%s); set aside as %s", target, reason, aside)
        return aside
    with _publishing(catalog):
        with contextlib.suppress(DamagedArtifact):
            # What was found damaged may have been replaced by a whole one since, or while it was
            # read: that one stays.
            _opened(target, file_digest)
            return None
        place = free_name(catalog.work / "damaged" / target.relative_to(catalog.root))
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
    if existing := find(catalog, target, recipe.key):
        return existing
    started = time.monotonic()
    with drafted(catalog, target) as draft:
        counts = make(draft)
        manifest = Manifest(
            key=recipe.key,
            stage=recipe.stage,
            stage_version=recipe.version,
            inputs=recipe.sources,
            config=dict(recipe.config),
            files=tuple(described(draft, path) for path in data_files(draft)),
            counts=counts,
            versions=dict(versions or {}),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 3),
        )
        write_synced(draft / MANIFEST, manifest.to_json().encode())
        if (mirror := _mirror_of(target)) is not None:
            from headlines.object_store.publishing import publish_draft

            if not publish_draft(mirror, target, draft, manifest, keep_superseded=keep_superseded):
                return _of_another_writer(target)
            return Artifact(target, manifest, reused=False)
        sync_tree(draft)
        with _publishing(catalog):
            if (first := _same_key(target, recipe.key)) is not None:
                return first
            with _out_of_the_way(catalog, target, keep_superseded=keep_superseded):
                make_directory(target.parent)
                draft.rename(target)
            sync_directory(target.parent)
    return Artifact(target, manifest, reused=False)


def copy_file(artifact: Artifact, name: str, target: Path) -> None:
    """Copy a data file of an artifact to a place outside of it.

    Raises:
        DamagedArtifact: the copy is not what the manifest says.
    """
    _brought(artifact, name, target, shutil.copyfile)


def take_file(artifact: Artifact, name: str, target: Path) -> None:
    """Have a data file of an artifact that is to be removed stand in another place.

    Its bytes are not written again where the file system knows files of several names.

    Raises:
        DamagedArtifact: the file is not what the manifest says.
    """

    def link(source: Path, target: Path) -> None:
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(source, target)

    _brought(artifact, name, target, link)


def _brought(
    artifact: Artifact, name: str, target: Path, bring: Callable[[Path, Path], object]
) -> None:
    if (mirror := _mirror_of(artifact.directory)) is not None:
        mirror.bring(artifact.directory)  # a worker elsewhere may have published it
    bring(artifact.directory / name, target)
    [digest] = [entry.sha256 for entry in artifact.manifest.files if entry.path == name]
    if file_digest(target) != digest:
        raise DamagedArtifact(str(artifact.directory), f"{name} is not what the manifest says")


def remove(catalog: Catalog, target: Path, *, keep_superseded: bool = False) -> None:
    """Take an artifact away in one step, into `superseded/` if it is to be kept."""
    if (mirror := _mirror_of(target)) is not None:
        from headlines.object_store.publishing import remove_artifact

        remove_artifact(mirror, target, keep_superseded=keep_superseded)
        return
    with _publishing(catalog), _out_of_the_way(catalog, target, keep_superseded=keep_superseded):
        pass


@contextlib.contextmanager
def _out_of_the_way(catalog: Catalog, target: Path, *, keep_superseded: bool) -> Iterator[None]:
    """Move what stands at `target` away, for good if all goes well meanwhile; else put it back."""
    if not target.exists():
        yield
        return
    with contextlib.ExitStack() as cleanup:
        if keep_superseded:
            place = free_name(catalog.superseded(target))
            make_directory(place.parent)
        else:
            place = cleanup.enter_context(drafted(catalog, target)) / "removed"
        target.rename(place)
        try:
            yield
        except BaseException:
            place.rename(target)
            raise
        if keep_superseded:
            sync_directory(place.parent)


def _publishing(catalog: Catalog) -> contextlib.AbstractContextManager[None]:
    # Held for a few renames only: without it a slow writer could take away the artifact that a
    # quicker one has just put in the place of an older one.
    return locked(catalog, "publishing")


def _of_another_writer(target: Path) -> Artifact:
    artifact = open_artifact(target)
    if artifact is None:
        raise DamagedArtifact(str(target), "it was taken away as it was published")
    return artifact


def _mirror_of(path: Path) -> "Mirror | None":
    if root_of_mirror(path) is None:
        return None
    from headlines.object_store.mirrors import mirror_of

    return mirror_of(path)


def _same_key(target: Path, key: str) -> Artifact | None:
    try:
        manifest = manifest_in(target)
    except DamagedArtifact:
        return None
    return Artifact(target, manifest) if manifest and manifest.key == key else None
