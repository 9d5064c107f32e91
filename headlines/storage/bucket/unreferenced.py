"""Finds in a bucket what no manifest names and no run will resume."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from headlines.storage.bucket.objects import Bucket, ObjectInfo
from headlines.storage.bucket.remote_manifest import RemoteState, is_tombstone, write_id_of
from headlines.storage.layout import (
    CHUNKS_KEPT,
    QUARANTINE,
    QUARANTINE_KEPT,
    SHARED_WORK,
    STAGE_OF_FOLDER,
    UPLOADS_KEPT,
    Layout,
)
from headlines.storage.manifest import MANIFEST


def unreferenced(
    bucket: Bucket,
    listed: Mapping[str, Mapping[str, ObjectInfo]],
    state_of: Callable[[str], RemoteState],
) -> list[str]:
    """The names of the objects that are garbage.

    That is parts that are older than the manifest next to them, parts without a manifest that are
    older than a day, chunks that no run has resumed for a week, and what was quarantined 30 days
    ago.

    Args:
        bucket: the bucket.
        listed: objects of artifacts that were just listed, by artifact and name: predictions,
            which are too many to be listed twice.
        state_of: gives what the bucket has of an artifact.
    """
    now = datetime.now(UTC)
    garbage: list[str] = []
    artifacts = {name: list(objects.values()) for name, objects in listed.items()}
    for folder in STAGE_OF_FOLDER:
        if folder != Layout.predictions:
            artifacts |= _by_artifact(bucket.list(folder))
    for name, objects in artifacts.items():
        garbage += _unnamed(name, objects, state_of, now)
    for folder, age in ((SHARED_WORK, CHUNKS_KEPT), (QUARANTINE, QUARANTINE_KEPT)):
        garbage += [info.name for info in bucket.list(folder) if info.changed < now - age]
    return garbage


def _unnamed(
    name: str, objects: list[ObjectInfo], state_of: Callable[[str], RemoteState], now: datetime
) -> list[str]:
    """The parts of an artifact that its manifest does not name, and no writer will name."""
    manifest = next((info for info in objects if info.name == f"{name}/{MANIFEST}"), None)
    parts = [info for info in objects if info is not manifest and write_id_of(info.name)]
    if not parts:
        return []
    if manifest is None:
        return [info.name for info in parts if info.changed < now - UPLOADS_KEPT]
    named = ""
    if not is_tombstone(manifest.size):
        state = state_of(name)
        if state.etag != manifest.etag or state.remote is None:
            return []  # replaced since it was listed, or damaged: then its parts are not known
        named = state.remote.write_id
    # Stores report whole seconds: of the same second, none is taken to be older.
    return [
        info.name
        for info in parts
        if write_id_of(info.name) != named and info.changed < manifest.changed
    ]


def _by_artifact(objects: list[ObjectInfo]) -> dict[str, list[ObjectInfo]]:
    """Objects by the artifact whose manifest is above them, else by their own folder."""
    manifests = {i.name.removesuffix(f"/{MANIFEST}") for i in objects if _is_manifest(i)}
    artifacts: dict[str, list[ObjectInfo]] = {}
    for info in objects:
        parents = [parent.as_posix() for parent in PurePosixPath(info.name).parents]
        name = next((parent for parent in parents if parent in manifests), parents[0])
        artifacts.setdefault(name, []).append(info)
    return artifacts


def _is_manifest(info: ObjectInfo) -> bool:
    return info.name.endswith(f"/{MANIFEST}")
