"""Atomic and durable writing: a kill or a power cut leaves a write either undone or done."""

import contextlib
import errno
import fcntl
import itertools
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from headlines.errors import InputError

_draft_numbers = itertools.count()
# Distinguishes this process from an earlier one with the same id, as in a restarted container.
PROCESS_TOKEN = secrets.token_hex(4)
# What a file system answers that has no hard links, or allows no more of them to this file.
_HARDLINK_UNSUPPORTED = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def staging_directory(work: Path, target: object) -> Iterator[Path]:
    """A directory below `work` for what will be renamed to `target`; removed in the end.

    Raises:
        OSError: a write failed; it names `target` where the system names no file.
    """
    name = f"draft-{socket.gethostname()}-{os.getpid()}-{PROCESS_TOKEN}-{next(_draft_numbers)}"
    draft = work / name
    draft.mkdir(parents=True)
    try:
        with _errors_naming(target):
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # nothing is left of it after a rename


def write_atomically(work: Path, path: Path, content: bytes) -> None:
    """Replace a small file: a reader sees the old content or the new."""
    mkdir_durable(path.parent)
    with staging_directory(work, path) as draft:
        write_durable(draft / path.name, content)
        (draft / path.name).rename(path)
        fsync_directory(path.parent)


@contextlib.contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """A hidden path to write a file or directory at, which replaces `path` if all goes well.

    It is for places outside the data root: it lies in the same directory, as a rename cannot leave
    the file system. Of a link, what it points to is replaced. A directory must not exist yet.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with _errors_naming(target):
            yield draft
            if draft.is_dir():
                fsync_tree(draft)
            else:
                fsync_file(draft)
            draft.rename(target)
            fsync_directory(target.parent)
    finally:
        with contextlib.suppress(OSError):
            remove_tree(draft)


@contextlib.contextmanager
def file_lock(work: Path, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock `<work>/<name>.lock` against all processes of this machine.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        InputError: the file belongs to another user.
    """
    path = work / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with _open_lock(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not is_open_at(file, path):  # `cleanup` removed it before we held it
                continue
            with contextlib.suppress(OSError):
                os.utime(file.fileno())  # `cleanup` looks at when it was used last
            yield
            return


def _open_lock(path: Path) -> TextIO:
    try:
        return path.open("a")
    except PermissionError as error:
        raise InputError(
            f"the lock cannot be taken ({error.strerror}): another user has made it",
            str(path),
            f"run as that user, or give the files to this one: chown -R USER {path.parent}",
        ) from error


def is_open_at(file: Any, path: Path) -> bool:
    """Whether an open file is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def mkdir_durable(directory: Path) -> None:
    """Create a directory and its parents so that a power cut does not lose them."""
    if not directory.is_dir():
        mkdir_durable(directory.parent)
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)


def write_durable(path: Path, content: bytes) -> None:
    """Write a file and flush it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def fsync_file(path: Path) -> None:
    """Flush a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_directory(directory: Path) -> None:
    """Flush a directory's entries to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(directory: Path) -> None:
    """Flush a directory with all its files and directories to disk."""
    for path in directory.rglob("*"):
        if path.is_dir():
            fsync_directory(path)
        else:
            fsync_file(path)
    fsync_directory(directory)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link of a file, or a copy where the file system has no hard links."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _HARDLINK_UNSUPPORTED:
            raise
        shutil.copyfile(source, target)


def remove_tree(path: Path) -> None:
    """Remove a file or a directory, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def next_free_name(path: Path) -> Path:
    """The first of `<path>~1`, `<path>~2` and so on that does not exist."""
    numbered = (path.with_name(f"{path.name}~{number}") for number in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())


@contextlib.contextmanager
def _errors_naming(target: object) -> Iterator[None]:
    """Have errors name `target`: a failed write does not say which file it was for."""
    try:
        yield
    except OSError as error:
        # The reader of a closed pipe is gone, whatever is being written here.
        if error.filename is None and not isinstance(error, BrokenPipeError):
            reason = error.strerror or str(error)
            raise OSError(error.errno or errno.EIO, reason, str(target)) from error
        raise
