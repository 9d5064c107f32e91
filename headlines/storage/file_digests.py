"""Remembers the digests of files, so that a file is read again only where it changed.

It is for files that pile up, such as batches of long ago. Whoever reads a file for use checks its
bytes all the same.
"""

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path

from headlines.hashing import FileDigests, Stamp
from headlines.storage.atomic import write_atomically
from headlines.storage.data_root import DataRoot

_log = logging.getLogger(__name__)

_FORMAT = 1


class FileDigestCache(FileDigests):
    """SHA-256 of files by path, with the size, times and inode that each file had.

    Nothing is written until `save`. What was saved is a mere cache: lost, damaged or of another
    version of this module, every file is read again.
    """

    def __init__(self, root: DataRoot) -> None:
        super().__init__()
        self._directory = root.store.directory
        self._work = root.store.work
        self._path = self._work / "digests.json"
        self._known = _loaded(self._path)
        self._saved = dict(self._known)

    def save(self) -> None:
        """Write what is remembered, without files that are gone; what fails is only logged."""
        existing = {
            name: entry for name, entry in self._known.items() if (self._directory / name).exists()
        }
        if existing == self._saved:
            return
        body = json.dumps({"format": _FORMAT, "files": existing}, separators=(",", ":")).encode()
        try:
            write_atomically(self._work, self._path, _seal(body) + body)
        except OSError as error:
            _log.warning("digests are not remembered (%s); the next run reads files again", error)

    def _name(self, path: Path) -> str:
        # Relative, as a data root may be moved.
        return str(path).removeprefix(f"{self._directory}{os.sep}")


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n"


def _loaded(path: Path) -> dict[str, tuple[str, Stamp]]:
    with contextlib.suppress(OSError):
        seal, _, body = path.read_bytes().partition(b"\n")
        if seal + b"\n" == _seal(body):
            data = json.loads(body)
            if data["format"] == _FORMAT:
                return {
                    name: (digest, tuple(stamp)) for name, (digest, stamp) in data["files"].items()
                }
    return {}
