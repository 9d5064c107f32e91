"""Writing that a kill or a power cut leaves either undone or done: drafts, syncs and locks."""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from headlines.catalog import Catalog

_draft_numbers = itertools.count()
# Tells this process from one before it that had the same id, as in a container started again.
_PROCESS = secrets.token_hex(4)
_PIECES_KEPT_SECONDS = 7 * 24 * 3600
_DAMAGED_KEPT_DAYS = 30
_SET_ASIDE = re.compile(r"~\d+$")  # as `headlines.artifact.set_aside` numbers them
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def drafted(catalog: Catalog, target: Path) -> Iterator[Path]:
    """A directory to write in what is to stand at `target`; removed with what is left of it.

    Raises:
        OSError: a write failed; where the disk is full, it names `target`.
    """
    name = f"draft-{socket.gethostname()}-{os.getpid()}-{_PROCESS}-{next(_draft_numbers)}"
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
    make_directory(path.parent)
    with drafted(catalog, path) as draft:
        write_synced(draft / path.name, content)
        (draft / path.name).rename(path)
        sync_directory(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it, so that a power cut does not take them away again."""
    if not directory.is_dir():
        make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Have the file system write a directory's entries to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_drafts(catalog: Catalog) -> int:
    """Remove the drafts of processes that no longer run; return how many.

    Of processes of another machine it is not known, so theirs stay for a week: that one may have
    died for good.
    """
    swept = 0
    name = re.compile(r"draft-(.+)-(\d{1,9})-([0-9a-f]{8})-\d+")
    for draft in catalog.work.glob("draft-*"):
        if not (found := name.fullmatch(draft.name)):
            continue
        if found[1] == socket.gethostname():
            useless = not _is_running(int(found[2]), found[3])
        else:
            useless = _is_old(draft)
        if useless:
            shutil.rmtree(draft, ignore_errors=True)
            swept += 1
    return swept


def sweep_pieces(catalog: Catalog) -> int:
    """Remove the pieces of batches that no run has come back to for a week; return how many."""
    swept = 0
    folders = ("admitted", "chunks", "shared/admitted", "shared/chunks")
    for piece in (one for folder in folders for one in catalog.work.glob(f"{folder}/*")):
        if _is_old(piece):
            shutil.rmtree(piece, ignore_errors=True)
            swept += 1
    return swept


def sweep_damaged(catalog: Catalog) -> int:
    """Remove what was set aside as damaged more than 30 days ago; return how many artifacts."""
    swept = 0
    for folder, folders, files in os.walk(catalog.work / "damaged"):
        aside = [name for name in (*folders, *files) if _SET_ASIDE.search(name)]
        folders[:] = [name for name in folders if name not in aside]  # they are not looked into
        for path in (Path(folder, name) for name in aside):
            with contextlib.suppress(FileNotFoundError):  # another run has removed it
                # The rename that set it aside changed this time, and not that of its content.
                days = (time.time() - path.lstat().st_ctime) / (24 * 3600)
                if days > _DAMAGED_KEPT_DAYS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    _log.info("removed %s, set aside as damaged %d days ago", path, days)
                    swept += 1
    return swept


@contextlib.contextmanager
def locked(catalog: Catalog, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock of the data root that the processes of one machine respect.

    Raises:
        BlockingIOError: another one holds it, and `wait` is false.
    """
    catalog.work.mkdir(parents=True, exist_ok=True)
    with (catalog.work / f"{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def write_synced(path: Path, content: bytes) -> None:
    """Write a file, and have it written to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_tree(directory: Path) -> None:
    """Have all files below a directory written to disk, and the directories' entries."""
    for path in directory.rglob("*"):
        if path.is_dir():
            sync_directory(path)
        else:
            sync_file(path)
    sync_directory(directory)


def sync_file(path: Path) -> None:
    """Have a file written to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_old(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # another run is done with it
        return path.stat().st_mtime < time.time() - _PIECES_KEPT_SECONDS
    return False


def _is_running(pid: int, process: str) -> bool:
    if pid == os.getpid():
        return process == _PROCESS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def free_name(path: Path) -> Path:
    """The first of `<path>~1`, `<path>~2` and so on that is not there, for what is set aside."""
    numbered = (path.with_name(f"{path.name}~{number}") for number in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())
