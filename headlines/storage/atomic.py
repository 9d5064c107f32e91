"""Writing that a kill or a power cut leaves either undone or done: drafts, syncs and locks."""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from headlines.storage.layout import Catalog

_draft_numbers = itertools.count()
# Tells this process from one before it that had the same id, as in a container started again.
PROCESS_TOKEN = secrets.token_hex(4)
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def staging_directory(catalog: Catalog, target: Path) -> Iterator[Path]:
    """A directory to write in what is to stand at `target`; removed with what is left of it.

    Raises:
        OSError: a write failed; where the disk is full, it names `target`.
    """
    name = f"draft-{socket.gethostname()}-{os.getpid()}-{PROCESS_TOKEN}-{next(_draft_numbers)}"
    draft = catalog.work / name
    draft.mkdir(parents=True)
    try:
        yield draft
    except OSError as error:
        # A failed write does not say what it was for; a closed pipe was for nothing of this.
        if error.filename is None and not isinstance(error, BrokenPipeError):
            reason = error.strerror or str(error)
            raise OSError(error.errno or errno.EIO, reason, str(target)) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # after a rename there is nothing left of it


def write_atomically(catalog: Catalog, path: Path, content: bytes) -> None:
    """Replace one small file as a whole: a reader sees the old content or the new."""
    mkdir_durable(path.parent)
    with staging_directory(catalog, path) as draft:
        write_durable(draft / path.name, content)
        (draft / path.name).rename(path)
        fsync_directory(path.parent)


def mkdir_durable(directory: Path) -> None:
    """Make a directory, and those above it, so that a power cut does not take them away again."""
    if not directory.is_dir():
        mkdir_durable(directory.parent)
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)


def fsync_directory(directory: Path) -> None:
    """Have the file system write a directory's entries to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def file_lock(catalog: Catalog, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock of the data root that the processes of one machine respect.

    Raises:
        BlockingIOError: another one holds it, and `wait` is false.
    """
    catalog.work.mkdir(parents=True, exist_ok=True)
    with (catalog.work / f"{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def write_durable(path: Path, content: bytes) -> None:
    """Write a file, and have it written to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def fsync_tree(directory: Path) -> None:
    """Have all files below a directory written to disk, and the directories' entries."""
    for path in directory.rglob("*"):
        if path.is_dir():
            fsync_directory(path)
        else:
            fsync_file(path)
    fsync_directory(directory)


def fsync_file(path: Path) -> None:
    """Have a file written to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def next_free_name(path: Path) -> Path:
    """The first of `<path>~1`, `<path>~2` and so on that is not there, for what is set aside."""
    numbered = (path.with_name(f"{path.name}~{number}") for number in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())
