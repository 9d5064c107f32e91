"""Files that others put into a bucket: the inbox, and the archive of what was scored.

They are downloaded to a local folder when they are needed, each with the time of change that the
store reports.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from headlines.errors import InputError
from headlines.storage.atomic import file_lock, mkdir_durable, staging_directory, write_atomically
from headlines.storage.bucket.objects import Bucket, ObjectInfo
from headlines.storage.bucket.requests import parallel_map
from headlines.storage.moves import is_unchanged

# In a folder that is being moved away, whose objects cannot all go at once. As for Spark, a folder
# with `_temporary` in it is not a whole batch: what a killed run has left of it is not scored.
_LEAVING = "_temporary/leaving"
_log = logging.getLogger(__name__)

_Known = dict[str, list[str | int]]
"""Of each local file by name: etag of its object, size, and the time of change in ns."""


class BatchFiles:
    """The batch files of one bucket.

    Args:
        bucket: the bucket.
        directory: where they are downloaded to.
        work: for drafts and locks.
    """

    def __init__(self, bucket: Bucket, directory: Path, work: Path) -> None:
        self._bucket = bucket
        self._directory = directory
        self._work = work

    def path(self, name: str) -> Path:
        """Where a file or folder is downloaded to."""
        return self._directory / name

    def name_of(self, path: Path) -> str:
        """The name of what is downloaded to a path; of any other path, the absolute path."""
        path = path.absolute()
        is_inside = path.is_relative_to(self._directory)
        return path.relative_to(self._directory).as_posix() if is_inside else str(path)

    def fetch(self, name: str, wanted: Callable[[str], bool]) -> Path:
        """Have a file, or the wanted files below a folder, here as they are in the bucket.

        Args:
            name: of the file or folder.
            wanted: given the name of a file relative to the folder.
        """

        def is_wanted(file: str) -> bool:
            return wanted(file.removeprefix(name).removeprefix("/"))

        objects = {info.name: info for info in self._listed(name) if is_wanted(info.name)}
        with self._known() as known:
            local = [file for file in known if _is_below(file, name) and is_wanted(file)]
            for file in local:
                if file not in objects:
                    self.path(file).unlink(missing_ok=True)
                    _remove_empty(self.path(file).parent, self.path(name))
                    del known[file]
            missing = [
                info
                for info in objects.values()
                if known.get(info.name, []) != self._entry(info.name, info.etag)
            ]
            with staging_directory(self._work, self.path(name)) as draft:

                def download(numbered: tuple[int, ObjectInfo]) -> None:
                    number, info = numbered
                    part = draft / str(number)
                    try:
                        downloaded = self._bucket.download(info.name, part)
                    except FileNotFoundError:  # deleted since it was listed
                        return
                    changed = int(downloaded.changed.timestamp() * 1e9)
                    os.utime(part, ns=(changed, changed))
                    path = self.path(info.name)
                    mkdir_durable(path.parent)
                    part.replace(path)
                    known[info.name] = [downloaded.etag, downloaded.size, changed]

                for _ in parallel_map(download, enumerate(missing)):
                    pass
        return self.path(name)

    def move(self, name: str, target: str, digests: Mapping[str, str]) -> bool:
        """Move a file or folder that was fetched: its objects are copied, checked, and deleted.

        Args:
            name: of the file or folder.
            target: its new name.
            digests: SHA-256 by path relative to it, of a single file by `.`.

        Returns:
            Whether it was moved: it stays where its objects are not those with these digests.
        """
        if not is_unchanged(self.path(name), digests):
            return False
        files = [name if file == "." else f"{name}/{file}" for file in digests]
        etags = self._local_etags(files)
        objects = self._objects(name, files)
        if not etags.keys() <= {info.name for info in objects} or any(
            etags.get(info.name, info.etag) != info.etag for info in objects
        ):
            return False
        copies = {info.name: f"{target}{info.name.removeprefix(name)}" for info in objects}
        try:
            for _ in parallel_map(lambda file: self._bucket.copy(file, copies[file]), copies):
                pass
        except FileNotFoundError:
            return False
        if not all(self._is_copy(info, copies[info.name]) for info in objects):
            return False
        if _etags(self._objects(name, files)) != _etags(objects):
            return False  # a revision has arrived; what was copied is the one before
        if files == [name]:
            self._bucket.delete([name])
        else:
            self._bucket.upload(target.encode(), f"{name}/{_LEAVING}")
            self._bucket.delete(list(copies))
            self._bucket.delete([f"{name}/{_LEAVING}"])
        self._move_local(copies)
        if self.path(name).is_dir():
            shutil.rmtree(self.path(name), ignore_errors=True)
        return True

    def resume_moves(self, folder: str) -> None:
        """Finish the moves of folders below a folder that killed runs have begun."""
        for mark in self._bucket.list(folder):
            if not mark.name.endswith(f"/{_LEAVING}"):
                continue
            name = mark.name.removesuffix(f"/{_LEAVING}")
            content = self._bucket.read(mark.name)
            target = content.body.decode(errors="replace") if content else ""
            objects = [info for info in self._bucket.list(name) if info.name != mark.name]
            if not all(
                self._is_copy(info, f"{target}{info.name.removeprefix(name)}") for info in objects
            ):
                _log.warning(
                    "a killed run has moved %s only in part to %s, and it has changed since; "
                    "correct it and delete %s",
                    self._bucket.where(name),
                    self._bucket.where(target),
                    self._bucket.where(mark.name),
                )
                continue
            self._bucket.delete([info.name for info in objects])
            self._bucket.delete([mark.name])

    def _listed(self, name: str) -> Iterator[ObjectInfo]:
        """The objects of a file, or below a folder, without those that only mark folders."""
        objects = self._bucket.list(name)
        if not objects and (single := self._bucket.head(name)) is not None:
            objects = [single]
        folders = {str(parent) for info in objects for parent in PurePosixPath(info.name).parents}
        for info in objects:
            if info.name in folders or (info.name == name and not info.size):
                if info.size:
                    raise InputError(
                        "an object has the name of a folder of others",
                        self._bucket.where(info.name),
                        "delete or rename it",
                    )
                continue  # programs that show buckets as folders leave such marks
            yield info

    def _objects(self, name: str, files: list[str]) -> list[ObjectInfo]:
        if files == [name]:
            single = self._bucket.head(name)
            return [single] if single else []
        return self._bucket.list(name)

    def _is_copy(self, info: ObjectInfo, name: str) -> bool:
        copy = self._bucket.head(name)
        if copy is None or copy.size != info.size:
            return False
        # The etag of what was uploaded in several parts depends on the parts too.
        return copy.etag == info.etag or "-" in info.etag

    def _local_etags(self, files: list[str]) -> dict[str, str]:
        """The etags of the objects that local files were downloaded from; none if changed since."""
        with self._known() as known:
            etags = {file: str(known[file][0]) if file in known else "" for file in files}
            return {
                file: etag if known.get(file) == self._entry(file, etag) else ""
                for file, etag in etags.items()
            }

    def _move_local(self, moved: Mapping[str, str]) -> None:
        with self._known() as known:
            for name, target in moved.items():
                if (entry := known.pop(name, None)) is not None:
                    mkdir_durable(self.path(target).parent)
                    with contextlib.suppress(FileNotFoundError):
                        self.path(name).rename(self.path(target))
                    known[target] = entry

    def _entry(self, name: str, etag: str) -> list[str | int] | None:
        try:
            status = self.path(name).stat()
        except OSError:
            return None
        return [etag, status.st_size, status.st_mtime_ns]

    @contextlib.contextmanager
    def _known(self) -> Iterator[_Known]:
        """What is known of the local files; written if it changes."""
        path = self._work / "batch-files.json"
        with file_lock(self._work, "batch-files"):
            known: _Known = {}
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_bytes())
            before = dict(known)
            try:
                yield known
            finally:
                if known != before:
                    write_atomically(self._work, path, json.dumps(known).encode())


def _etags(objects: list[ObjectInfo]) -> dict[str, str]:
    return {info.name: info.etag for info in objects}


def _is_below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def _remove_empty(directory: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is not empty
        while directory != folder and directory.is_relative_to(folder):
            directory.rmdir()
            directory = directory.parent
