"""The local cache of a bucket: data files by their content, and views of artifacts made of them.

`files/<sha256>` is a data file. `views/<sha256 of the manifest>/` is an artifact as a directory of
hard links to such files (copies where the file system has none), as far as they were asked for.
Neither ever changes, so nothing here can be out of date. `manifests/` holds the last manifest seen
of each artifact, with its etag, so that one that has not changed is not downloaded again. The cache
can be deleted whenever nothing runs.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from headlines.hashing import file_sha256_once
from headlines.storage.atomic import link_or_copy, staging_directory
from headlines.storage.bucket.objects import ObjectBody
from headlines.storage.bucket.requests import parallel_map
from headlines.storage.manifest import MANIFEST, DataFile, Manifest


class ContentCache:
    """The cache of one bucket.

    Args:
        directory: of the cache.
        work: for drafts, on the same file system.
    """

    def __init__(self, directory: Path, work: Path) -> None:
        self._files = directory / "files"
        self._views = directory / "views"
        self._manifests = directory / "manifests"
        self._work = work

    def manifest(self, name: str) -> ObjectBody | None:
        """The last manifest seen of an artifact, as its object was."""
        with contextlib.suppress(OSError, ValueError):
            etag, _, body = self._manifest_path(name).read_bytes().partition(b"\n")
            return ObjectBody(body, etag.decode())
        return None

    def keep_manifest(self, name: str, content: ObjectBody) -> None:
        """Remember the manifest of an artifact."""
        path = self._manifest_path(name)
        self._write(path, f"{content.etag}\n".encode() + content.body)

    def view_path(self, manifest: Manifest) -> Path:
        """The directory of an artifact's view; it need not exist."""
        return self._views / hashlib.sha256(manifest.to_json().encode()).hexdigest()

    def view(
        self,
        manifest: Manifest,
        files: Iterable[DataFile],
        download: Callable[[DataFile, Path], None],
    ) -> Path:
        """The view of an artifact with these of its files, their digests checked.

        Args:
            manifest: of the artifact.
            files: those that are needed.
            download: writes a data file to a path; called for those that are not in the cache.

        Raises:
            ValueError: what was downloaded is not what the manifest says.
        """
        directory = self._prepared_view(manifest)
        missing = [entry for entry in files if not _is_intact(directory / entry.path, entry)]
        if not missing:
            return directory
        with staging_directory(self._work, directory) as draft:

            def bring(numbered: tuple[int, DataFile]) -> None:
                number, entry = numbered
                content = self._files / entry.sha256
                if not _is_intact(content, entry):
                    new = draft / f"{number}.new"
                    download(entry, new)
                    if not _is_intact(new, entry):
                        raise ValueError(
                            f"{entry.path} in the bucket is not what the manifest says"
                        )
                    _replace(new, content)
                _link(content, directory / entry.path, draft / f"{number}.link")

            for _ in parallel_map(bring, enumerate(missing)):
                pass
        return directory

    def adopt(self, draft: Path, manifest: Manifest) -> Path:
        """The view of an artifact that was published from a draft, whose files are moved here."""
        directory = self._prepared_view(manifest)
        for number, entry in enumerate(manifest.files):
            content = self._files / entry.sha256
            _replace(draft / entry.path, content)
            _link(content, directory / entry.path, draft / f"{number}.link")
        return directory

    def evict(self, age: timedelta) -> int:
        """Remove what was not opened for that long; return how many entries."""
        before = time.time() - age.total_seconds()
        removed = 0
        for directory in (self._views, self._files, self._manifests):
            for path in directory.glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    if status.st_mtime > before or (path.is_file() and status.st_nlink > 1):
                        continue  # used lately, or part of a view
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed += 1
        return removed

    def _prepared_view(self, manifest: Manifest) -> Path:
        directory = self.view_path(manifest)
        if not (directory / MANIFEST).exists():
            self._write(directory / MANIFEST, manifest.to_json().encode())
        os.utime(directory)  # it is in use
        return directory

    def _manifest_path(self, name: str) -> Path:
        return self._manifests / hashlib.sha256(name.encode()).hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        with staging_directory(self._work, path) as draft:
            (draft / path.name).write_bytes(content)
            _replace(draft / path.name, path)


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _link(content: Path, target: Path, draft: Path) -> None:
    link_or_copy(content, draft)
    _replace(draft, target)  # in one step, should another process do the same


def _is_intact(path: Path, entry: DataFile) -> bool:
    try:
        is_file = not path.is_symlink() and path.stat().st_size == entry.bytes
        return is_file and file_sha256_once(path) == entry.sha256
    except OSError:
        return False
