"""Remembers the digests of files, so that a file is read again only where it changed.

It is for files that pile up, such as batches of long ago. Whoever reads a file for use checks its
bytes all the same.
"""

import contextlib
import hashlib
import json
import logging
import os
import time
from pathlib import Path

from headlines.storage.atomic import write_atomically
from headlines.storage.data_root import DataRoot

_log = logging.getLogger(__name__)

_FORMAT = 1
# A file that changed within the time stamps' coarseness before it was read may change again and
# keep its stamps; git does not trust such entries of its index either.
_RACY_NANOSECONDS = 2_000_000_000

_Stamp = tuple[int, int, int, int]


class FileDigestCache:
    """SHA-256 of files by path, with the size, times and inode that each file had.

    Nothing is written until `save`. What was saved is a mere cache: lost, damaged or of another
    version of this module, every file is read again.
    """

    def __init__(self, root: DataRoot) -> None:
        self._directory = root.store.directory
        self._work = root.store.work
        self._path = self._work / "digests.json"
        self._known = _loaded(self._path)
        self._changed = False

    def of(self, path: Path) -> str:
        """SHA-256 (hexadecimal) of a file's bytes, remembered or read.

        Raises:
            OSError: the file cannot be read.
        """
        name = self._name(path)
        if (known := self._known.get(name)) and known[1] == _stamp(path.stat()):
            return known[0]
        now = time.time_ns()
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
        self._changed = True
        if _stamp(before) == _stamp(after) and not _is_racy(before, now):
            self._known[name] = (digest, _stamp(before))
        else:
            self._known.pop(name, None)
        return digest

    def save(self) -> None:
        """Write what is remembered, without files that are gone; what fails is only logged."""
        existing = {
            name: entry for name, entry in self._known.items() if (self._directory / name).exists()
        }
        if not self._changed and len(existing) == len(self._known):
            return
        body = json.dumps({"format": _FORMAT, "files": existing}, separators=(",", ":")).encode()
        try:
            write_atomically(self._work, self._path, _seal(body) + body)
        except OSError as error:
            _log.warning("digests are not remembered (%s); the next run reads files again", error)

    def _name(self, path: Path) -> str:
        # Relative, as a data root may be moved.
        return str(path).removeprefix(f"{self._directory}{os.sep}")


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _is_racy(status: os.stat_result, now: int) -> bool:
    return any(
        abs(now - changed) < _RACY_NANOSECONDS
        for changed in (status.st_mtime_ns, status.st_ctime_ns)
    )


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n"


def _loaded(path: Path) -> dict[str, tuple[str, _Stamp]]:
    with contextlib.suppress(OSError):
        seal, _, body = path.read_bytes().partition(b"\n")
        if seal + b"\n" == _seal(body):
            data = json.loads(body)
            if data["format"] == _FORMAT:
                return {
                    name: (digest, tuple(stamp)) for name, (digest, stamp) in data["files"].items()
                }
    return {}
