"""Removes from `.work` what killed runs left there and no run has come back to."""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from headlines.errors import InputError
from headlines.storage.atomic import PROCESS_TOKEN, file_lock, is_open_at
from headlines.storage.layout import (
    CHECKPOINT_PREFIXES,
    CHECKPOINTS_KEPT,
    CHUNK_FOLDERS,
    CHUNKS_KEPT,
    DRAFTS_KEPT,
    LOCKS_KEPT,
    QUARANTINE_KEPT,
)

_log = logging.getLogger(__name__)
_DRAFT = re.compile(r"draft-(.+)-(\d{1,9})-([0-9a-f]{8})-\d+")
_QUARANTINED = re.compile(r"~\d+$")  # as `LocalStore.quarantine` numbers them


def clean_work(work: Path) -> int:
    """Remove all that is out of date below a work directory; return how many entries."""
    return (
        clean_drafts(work)
        + clean_chunks(work)
        + clean_quarantine(work)
        + clean_checkpoints(work)
        + clean_locks(work)
    )


def clean_drafts(work: Path) -> int:
    """Remove the drafts of processes that have ended; return how many.

    Whether a process of another machine has ended is not known: its drafts stay for a week.
    """
    removed = 0
    for draft in work.glob("draft-*"):
        if not (match := _DRAFT.fullmatch(draft.name)):
            continue
        if match[1] == socket.gethostname():
            unused = not _is_running(int(match[2]), match[3])
        else:
            unused = _is_older(draft, DRAFTS_KEPT)
        if unused:
            shutil.rmtree(draft, ignore_errors=True)
            removed += 1
    return removed


def clean_chunks(work: Path) -> int:
    """Remove the chunks of batches that no run has resumed for a week; return how many."""
    removed = 0
    for folder in (*CHUNK_FOLDERS, *(f"shared/{name}" for name in CHUNK_FOLDERS)):
        for chunk in (work / folder).glob("*"):
            if _is_older(chunk, CHUNKS_KEPT):
                shutil.rmtree(chunk, ignore_errors=True)
                removed += 1
    return removed


def clean_quarantine(work: Path) -> int:
    """Remove what was quarantined more than 30 days ago; return how many artifacts."""
    removed = 0
    for folder, folders, files in os.walk(work / "damaged"):
        quarantined = [name for name in (*folders, *files) if _QUARANTINED.search(name)]
        folders[:] = [name for name in folders if name not in quarantined]
        for path in (Path(folder, name) for name in quarantined):
            with contextlib.suppress(FileNotFoundError):  # another run has removed it
                # The rename into quarantine changed this time, and not that of the content.
                age = timedelta(seconds=time.time() - path.lstat().st_ctime)
                if age > QUARANTINE_KEPT:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    _log.info("removed %s, quarantined %d days ago", path, age.days)
                    removed += 1
    return removed


def clean_checkpoints(work: Path) -> int:
    """Remove the checkpoints of trainings that no run has resumed for 30 days; return how many."""
    removed = 0
    for directory in _checkpoints(work):
        # A training holds the lock of this name for as long as it runs.
        with (
            # In use, done with, or of another user.
            contextlib.suppress(BlockingIOError, FileNotFoundError, InputError),
            file_lock(work, directory.name, wait=False),
        ):
            if all(_is_older(path, CHECKPOINTS_KEPT) for path in (directory, *directory.iterdir())):
                shutil.rmtree(directory, ignore_errors=True)
                _log.info("removed %s: no training has resumed it", directory)
                removed += 1
    return removed


def clean_locks(work: Path) -> int:
    """Remove lock files that nobody has held for 30 days; return how many."""
    removed = 0
    for path in work.glob("*.lock"):
        if not _is_older(path, LOCKS_KEPT):
            continue
        # Removed only while held: `file_lock` sees afterwards that the file is gone.
        # Those of another user stay.
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError, PermissionError),
            path.open("r+") as file,
        ):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_open_at(file, path) and _is_older(path, LOCKS_KEPT):
                path.unlink()
                removed += 1
    return removed


def _checkpoints(work: Path) -> Iterator[Path]:
    for prefix in CHECKPOINT_PREFIXES:
        yield from (path for path in work.glob(f"{prefix}*") if path.is_dir())


def _is_older(path: Path, age: timedelta) -> bool:
    with contextlib.suppress(FileNotFoundError):  # another run has removed it
        return path.stat().st_mtime < time.time() - age.total_seconds()
    return False


def _is_running(pid: int, process: str) -> bool:
    if pid == os.getpid():
        return process == PROCESS_TOKEN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
