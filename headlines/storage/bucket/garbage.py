"""Deletes from a bucket what no manifest names."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from headlines.storage.bucket.mirror import Mirror
from headlines.storage.bucket.mirrors import SHARED, mirror_at
from headlines.storage.bucket.objects import ObjectInfo
from headlines.storage.bucket.old_manifest import is_tombstone, writer_of
from headlines.storage.bucket.remote_state import read_note
from headlines.storage.layout import Catalog
from headlines.storage.manifest import MANIFEST

_UNFINISHED_KEPT = timedelta(days=1)  # longer than anyone takes to publish one artifact
_SHARED_KEPT = timedelta(days=7)
_DAMAGED_KEPT = timedelta(days=30)
_ARTIFACTS = (
    "corpus",
    "tokens",
    "pretrained",
    "models",
    "reports/evaluation",
    "reports/baseline",
    "sweeps/trials",
    "sweeps/results",
)
_log = logging.getLogger(__name__)


def collect_garbage(catalog: Catalog) -> int:
    """Delete from a bucket what no manifest names and no writer will name; return how many objects.

    That is parts that are older than the manifest beside them, parts without a manifest that are
    older than a day, pieces of batches that no run has come back to for a week, and what was set
    aside as damaged 30 days ago. Within `surveyed` predictions are not listed once more.
    """
    mirror = mirror_at(catalog.root)
    if mirror is None:
        return 0
    now = datetime.now(UTC)
    useless: list[str] = []
    for directory, surveyed in mirror.survey.by_directory().items():
        useless += _unnamed(mirror, directory, list(surveyed.values()), now)
    for folder in _ARTIFACTS:
        for directory, objects in _by_artifact(mirror.bucket.list(folder)).items():
            useless += _unnamed(mirror, directory, objects, now)
    for folder, kept in ((SHARED, _SHARED_KEPT), (".work/damaged", _DAMAGED_KEPT)):
        listed = mirror.bucket.list(folder)
        useless += [one.name for one in listed if one.changed < now - kept]
    mirror.bucket.delete(useless)
    if useless:
        _log.info("deleted %d objects that no manifest names", len(useless))
    return len(useless)


def _unnamed(mirror: Mirror, directory: str, objects: list[ObjectInfo], now: datetime) -> list[str]:
    manifest = next((one for one in objects if one.name == f"{directory}/{MANIFEST}"), None)
    parts = [one for one in objects if one is not manifest and writer_of(one.name)]
    if not parts:
        return []
    if manifest is None:
        return [one.name for one in parts if one.changed < now - _UNFINISHED_KEPT]
    named = ""
    if not is_tombstone(manifest.size):
        if {writer_of(one.name) for one in parts} == {_writer_here(mirror, directory, manifest)}:
            return []
        standing = mirror.refresh(mirror.path(directory))
        if standing.etag != manifest.etag or standing.writer is None:
            return []  # replaced this moment, or damaged: then no one knows which are its parts
        named = standing.writer
    # To the second, as stores tell times: of the same second none is taken for older.
    return [
        one.name for one in parts if writer_of(one.name) != named and one.changed < manifest.changed
    ]


def _by_artifact(objects: list[ObjectInfo]) -> dict[str, list[ObjectInfo]]:
    """Objects by the directory of the manifest above them; those of none by their own."""
    manifests = {one.name.removesuffix(f"/{MANIFEST}") for one in objects if _is_manifest(one)}
    found: dict[str, list[ObjectInfo]] = {}
    for one in objects:
        parents = [parent.as_posix() for parent in PurePosixPath(one.name).parents]
        directory = next((parent for parent in parents if parent in manifests), parents[0])
        found.setdefault(directory, []).append(one)
    return found


def _writer_here(mirror: Mirror, directory: str, manifest: ObjectInfo) -> str | None:
    standing = read_note(mirror.path(directory))
    return standing.writer if standing and standing.etag == manifest.etag else None


def _is_manifest(one: ObjectInfo) -> bool:
    return one.name.endswith(f"/{MANIFEST}")
