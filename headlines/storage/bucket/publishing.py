"""Publishes artifacts in a bucket: parts first, the manifest last and on a condition.

The condition is that there stands what stood there when the writer began to upload. So of several
writers one wins, and the others, whose parts no manifest names, take them away and look again. For
the same reason parts that are older than the manifest beside them, and not named by it, are of no
use to anyone: their writer will lose, or is dead.
"""

import contextlib
import logging
import re
from collections.abc import Callable
from pathlib import Path

from headlines.errors import DamagedArtifact
from headlines.storage.bucket.errors import PreconditionFailed, StoreError
from headlines.storage.bucket.mirror import Mirror
from headlines.storage.bucket.mirrors import SHARED
from headlines.storage.bucket.old_manifest import (
    RemoteManifest,
    new_write_id,
    part_name,
    tombstone,
)
from headlines.storage.bucket.remote_state import RemoteState
from headlines.storage.bucket.requests import parallel_map
from headlines.storage.manifest import MANIFEST, Manifest

_TRIES = 10  # against other writers of the same place
_log = logging.getLogger(__name__)


def publish_draft(
    mirror: Mirror,
    target: Path,
    draft: Path,
    manifest: Manifest,
    *,
    keep_superseded: bool,
) -> bool:
    """Publish a draft in the bucket and here, whatever else stands there.

    Returns:
        Whether it was published; if not, another writer has published the same key, and that one
        stands here now.

    Raises:
        StoreError: the store fails, or others replace it again and again.
    """
    for _ in range(_TRIES):
        before = _standing_exactly(mirror, target)
        if before.writer is not None and _has_key(target, manifest.key):
            return False
        placed = _uploaded(mirror, target, draft, manifest)
        old = _parts(mirror, target, before)
        if keep_superseded:
            _copy(mirror, target, mirror.catalog.superseded(target), before)
        try:
            name = _manifest_name(mirror, target)
            etag = mirror.bucket.replace(name, placed.to_bytes(), before.etag)
        except PreconditionFailed:
            own = (part_name(path, placed.writer) for path in placed.etags)
            _delete(mirror, [f"{mirror.name(target)}/{name}" for name in own])
            continue
        standing = RemoteState(etag, placed.writer, placed.etags, live=True)
        mirror.put_in_place(target, draft, standing)
        _delete(mirror, old)
        return True
    raise _restless(mirror, target)


def _uploaded(mirror: Mirror, target: Path, draft: Path, manifest: Manifest) -> RemoteManifest:
    """Upload the parts of a draft, and give what is to name them."""
    writer = new_write_id()
    paths = [entry.path for entry in manifest.files]

    def upload(path: str) -> str:
        return mirror.bucket.upload(
            draft / path, f"{mirror.name(target)}/{part_name(path, writer)}"
        )

    etags = dict(zip(paths, parallel_map(upload, paths), strict=True))
    return RemoteManifest(manifest.to_json(), writer, etags)


def remove_artifact(mirror: Mirror, target: Path, *, keep_superseded: bool) -> None:
    """Take an artifact out of the bucket and away here."""
    if mirror.name(target).startswith(f"{SHARED}/"):  # of one run, and named by its content
        mirror.bucket.delete([one.name for one in mirror.bucket.list(mirror.name(target))])
        mirror.drop(target)
        return

    def keep(standing: RemoteState) -> None:
        if keep_superseded:
            _copy(mirror, target, mirror.catalog.superseded(target), standing)

    for _ in range(_TRIES):
        standing = mirror.refresh(target)
        if not standing.live or _taken_away(mirror, target, standing, keep):
            return
    raise _restless(mirror, target)


def set_aside_artifact(mirror: Mirror, target: Path) -> Path | None:
    """Move a damaged artifact of the bucket below `.work/damaged`.

    Returns:
        Where it lies in the bucket, as a path of the mirror; None if it is damaged no more.
    """
    standing = _standing_exactly(mirror, target)
    if not standing.live:
        return None
    place = mirror.catalog.work / "damaged" / target.relative_to(mirror.catalog.root)
    moved: list[Path] = []

    def keep(damaged: RemoteState) -> None:
        moved.append(_copy(mirror, target, place, damaged))

    return moved[0] if _taken_away(mirror, target, standing, keep) else None


def _taken_away(
    mirror: Mirror, target: Path, standing: RemoteState, keep: Callable[[RemoteState], None]
) -> bool:
    old = _parts(mirror, target, standing)
    keep(standing)
    try:
        mirror.bucket.replace(_manifest_name(mirror, target), tombstone(), standing.etag)
    except PreconditionFailed:
        mirror.forget(target)
        return False
    mirror.drop(target)
    _delete(mirror, old)
    return True


def _copy(mirror: Mirror, target: Path, place: Path, standing: RemoteState) -> Path:
    """Copy an artifact within the bucket to a place named by its writer, as far as it is there.

    It is the same place for all who copy it, and to copy it twice does no harm.
    """
    if not standing.live:
        return place
    which = standing.writer or re.sub(r"\W", "", standing.etag or "")
    place = place.with_name(f"{place.name}~{which}")
    here, there = mirror.name(target), mirror.name(place)

    def copy(name: str) -> None:
        try:
            mirror.bucket.copy(name, f"{there}{name.removeprefix(here)}")
        except FileNotFoundError:  # that is the damage, or another run was first
            _log.info("%s is no longer there to be kept", mirror.bucket.where(name))

    for _ in parallel_map(copy, _parts(mirror, target, standing)):
        pass
    copy(_manifest_name(mirror, target))
    return place


def _parts(mirror: Mirror, target: Path, standing: RemoteState) -> list[str]:
    """The names of the parts that the manifest here names."""
    if standing.writer is None:
        return []
    writer = standing.writer
    try:
        files = _manifest(target).files
    except DamagedArtifact:  # another process has removed it here meanwhile
        return []
    return [f"{mirror.name(target)}/{part_name(entry.path, writer)}" for entry in files]


def _delete(mirror: Mirror, names: list[str]) -> None:
    """Delete what no manifest names any more; what fails is swept later."""
    try:
        mirror.bucket.delete(names)
    except StoreError as error:
        _log.warning("what was replaced is not deleted yet (%s)", error)


def _standing_exactly(mirror: Mirror, target: Path) -> RemoteState:
    mirror.forget(target)
    return mirror.refresh(target)


def _manifest(target: Path) -> Manifest:
    try:
        return Manifest.from_json((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedArtifact(str(target), str(error)) from error


def _has_key(target: Path, key: str) -> bool:
    with contextlib.suppress(DamagedArtifact):  # another process has removed it here meanwhile
        return _manifest(target).key == key
    return False


def _manifest_name(mirror: Mirror, target: Path) -> str:
    return f"{mirror.name(target)}/{MANIFEST}"


def _restless(mirror: Mirror, target: Path) -> StoreError:
    where = mirror.bucket.where(mirror.name(target))
    return StoreError(f"{where}: other runs replace it again and again; run it once more")
