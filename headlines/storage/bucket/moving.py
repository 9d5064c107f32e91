"""Moves files within a bucket, where there is no rename: copied, checked, and then deleted.

Of a folder the objects cannot go all at once. A mark in it says that it is leaving, so that what is
left of it by a run that was killed is not taken for a batch; the next run finishes it.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from headlines.storage.bucket.external_files import local_etag, moved_here
from headlines.storage.bucket.mirror import Mirror
from headlines.storage.bucket.objects import ObjectInfo
from headlines.storage.bucket.requests import parallel_map

_MARK = "_temporary/leaving"  # a folder with `_temporary` in it is no batch yet, or no more
_log = logging.getLogger(__name__)


def move(mirror: Mirror, path: Path, files: Sequence[Path], target: Path) -> bool:
    """Move a file, or a folder with all that is in it, and their copies here.

    Args:
        mirror: of the bucket.
        path: the file or the folder.
        files: those whose bytes are known.
        target: where it is to be.

    Returns:
        Whether it was moved; it stays where the objects are not those that were brought here.
    """
    known = {mirror.name(file): local_etag(mirror, file) for file in files}
    here, there = mirror.name(path), mirror.name(target)
    objects = _objects(mirror, path, files)
    if not all(known.get(one.name, one.etag) == one.etag for one in objects) or not (
        known.keys() <= {one.name for one in objects}
    ):
        return False
    copies = {one.name: f"{there}{one.name.removeprefix(here)}" for one in objects}
    try:
        for _ in parallel_map(lambda name: mirror.bucket.copy(name, copies[name]), copies):
            pass
    except FileNotFoundError:
        return False
    if not all(_is_copy(mirror, one, copies[one.name]) for one in objects):
        return False
    if {one.name: one.etag for one in _objects(mirror, path, files)} != {
        one.name: one.etag for one in objects
    }:
        return False  # a revision has come meanwhile; the copy is that of before
    if files == (path,):
        mirror.bucket.delete([here])
        moved_here(mirror, path, target)
        return True
    mirror.bucket.upload(there.encode(), f"{here}/{_MARK}")
    mirror.bucket.delete(list(copies))
    mirror.bucket.delete([f"{here}/{_MARK}"])
    for file in files:
        moved_here(mirror, file, target / file.relative_to(path))
    shutil.rmtree(path, ignore_errors=True)
    return True


def resume_moves(mirror: Mirror, folder: Path) -> None:
    """Finish the moves below a folder that were begun by runs that were killed."""
    for mark in mirror.bucket.list(mirror.name(folder)):
        if not mark.name.endswith(f"/{_MARK}"):
            continue
        here = mark.name.removesuffix(f"/{_MARK}")
        content = mirror.bucket.read(mark.name)
        there = content.body.decode(errors="replace") if content else ""
        objects = [one for one in mirror.bucket.list(here) if one.name != mark.name]
        if not all(
            _is_copy(mirror, one, f"{there}{one.name.removeprefix(here)}") for one in objects
        ):
            _log.warning(
                "%s was half moved to %s by a run that was killed, and has changed since; see what "
                "is right, and delete %s",
                mirror.bucket.where(here),
                mirror.bucket.where(there),
                mirror.bucket.where(mark.name),
            )
            continue
        mirror.bucket.delete([one.name for one in objects])
        mirror.bucket.delete([mark.name])


def _objects(mirror: Mirror, path: Path, files: Sequence[Path]) -> list[ObjectInfo]:
    if files == (path,):
        return [one for one in [mirror.bucket.head(mirror.name(path))] if one is not None]
    return mirror.bucket.list(mirror.name(path))


def _is_copy(mirror: Mirror, one: ObjectInfo, name: str) -> bool:
    copy = mirror.bucket.head(name)
    if copy is None or copy.size != one.size:
        return False
    # The etag of what was uploaded in several parts tells of the parts too.
    return copy.etag == one.etag or "-" in one.etag
