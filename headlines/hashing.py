"""SHA-256 digests of plain data and of files."""

import hashlib
import json
import os
import time
from pathlib import Path

# A file that changed within the time stamps' coarseness before it was read may change again and
# keep its stamps; git does not trust such entries of its index either.
_RACY_NANOSECONDS = 2_000_000_000
_LARGE_BYTES = 1 << 20  # smaller files are read in no time

Stamp = tuple[int, int, int, int]


def json_digest(data: object) -> str:
    """SHA-256 (hexadecimal) of plain data, independent of the order of its keys."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileDigests:
    """SHA-256 of files by path, each read again only where its size, times or inode differ."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Stamp]] = {}

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
        if _stamp(before) == _stamp(after) and not _is_racy(before, now):
            self._known[name] = (digest, _stamp(before))
        else:
            self._known.pop(name, None)
        return digest

    def _name(self, path: Path) -> str:
        return str(path)


_read_here = FileDigests()


def file_sha256_once(path: Path) -> str:
    """SHA-256 of a file that is checked wherever it is used, such as a model: a large one is read
    once a process, and again where it changed.

    Raises:
        OSError: the file cannot be read.
    """
    return _read_here.of(path) if path.stat().st_size >= _LARGE_BYTES else file_sha256(path)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _is_racy(status: os.stat_result, now: int) -> bool:
    return any(
        abs(now - changed) < _RACY_NANOSECONDS
        for changed in (status.st_mtime_ns, status.st_ctime_ns)
    )
