"""Files that others put into the bucket: the inbox, and the archive of what was scored.

They are brought here when they are needed. A copy here has the time of change that the store tells.
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from headlines.errors import InputError
from headlines.storage.atomic import file_lock, mkdir_durable, staging_directory, write_atomically
from headlines.storage.bucket.mirror import Mirror
from headlines.storage.bucket.mirrors import mirror_of
from headlines.storage.bucket.objects import ObjectInfo
from headlines.storage.bucket.requests import parallel_map

_log = logging.getLogger(__name__)

_Known = dict[str, list[str | int]]
"""By name: etag, size, and the time of change that was set here, in ns."""


def fetch_external(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Have a file, or the files below a folder of a mirror, here as they are in the bucket."""
    if (mirror := mirror_of(path)) is not None:
        sync_down(mirror, path, wanted)


def sync_down(mirror: Mirror, folder: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Have the files below a folder here as they are in the bucket.

    Args:
        mirror: of the bucket.
        folder: of the mirror; or one file.
        wanted: told the name of each file relative to the folder.
    """
    prefix = mirror.name(folder)

    def is_wanted(name: str) -> bool:
        return wanted(name.removeprefix(prefix).removeprefix("/"))

    objects = {one.name: one for one in _files(mirror, prefix) if is_wanted(one.name)}
    with _known(mirror) as known:
        gone = [name for name in known if _is_below(name, prefix) and is_wanted(name)]
        for name in gone:
            if name not in objects:
                mirror.path(name).unlink(missing_ok=True)
                _remove_empty(mirror.path(name).parent, folder)
                del known[name]
        missing = [
            one
            for one in objects.values()
            if known.get(one.name, []) != _entry(mirror, one.name, one.etag)
        ]
        with staging_directory(mirror.catalog, folder) as place:

            def bring(numbered: tuple[int, ObjectInfo]) -> None:
                number, one = numbered
                draft = place / str(number)
                try:
                    found = mirror.bucket.download(one.name, draft)
                except FileNotFoundError:  # taken away meanwhile
                    return
                changed = int(found.changed.timestamp() * 1e9)
                os.utime(draft, ns=(changed, changed))
                path = mirror.path(one.name)
                mkdir_durable(path.parent)
                draft.replace(path)
                known[one.name] = [found.etag, found.size, changed]

            for _ in parallel_map(bring, enumerate(missing)):
                pass


def local_etag(mirror: Mirror, path: Path) -> str | None:
    """The etag of the object whose copy is here; None if it is not, or was changed here."""
    with _known(mirror) as known:
        name = mirror.name(path)
        entry = known.get(name)
        return str(entry[0]) if entry and entry == _entry(mirror, name, str(entry[0])) else None


def moved_here(mirror: Mirror, path: Path, target: Path) -> None:
    """Have the copy of a file here that was moved in the bucket moved too."""
    with _known(mirror) as known:
        mkdir_durable(target.parent)
        with contextlib.suppress(FileNotFoundError):
            path.rename(target)
        if (entry := known.pop(mirror.name(path), None)) is not None:
            known[mirror.name(target)] = entry


def _files(mirror: Mirror, prefix: str) -> Iterator[ObjectInfo]:
    objects = mirror.bucket.list(prefix)
    if not objects and (single := mirror.bucket.head(prefix)) is not None:
        objects = [single]
    folders = {parent.as_posix() for one in objects for parent in PurePosixPath(one.name).parents}
    for one in objects:
        if one.name in folders or (one.name == prefix and not one.size):
            if one.size:
                raise InputError(
                    "an object has the name of a folder of others",
                    mirror.bucket.where(one.name),
                    "take it away, or name it otherwise",
                )
            continue  # programs that show buckets as folders leave such marks
        yield one


def _entry(mirror: Mirror, name: str, etag: str) -> list[str | int] | None:
    try:
        status = mirror.path(name).stat()
    except OSError:
        return None
    return [etag, status.st_size, status.st_mtime_ns]


def _remove_empty(directory: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is not empty
        while directory != folder and directory.is_relative_to(folder):
            directory.rmdir()
            directory = directory.parent


def _is_below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


@contextlib.contextmanager
def _known(mirror: Mirror) -> Iterator[_Known]:
    """What is known of the files here; kept if it changes."""
    path = mirror.catalog.work / "loose.json"
    with file_lock(mirror.catalog, "loose"):
        known: _Known = {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(path.read_bytes())
        before = dict(known)
        try:
            yield known
        finally:
            if known != before:
                write_atomically(mirror.catalog, path, json.dumps(known).encode())
