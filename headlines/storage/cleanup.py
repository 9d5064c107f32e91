"""TODO."""

import contextlib
import logging
import os
import re
import shutil
import socket
import time
from pathlib import Path

from headlines.storage.atomic import PROCESS_TOKEN
from headlines.storage.layout import Catalog

_log = logging.getLogger(__name__)
_CHUNKS_KEPT_SECONDS = 7 * 24 * 3600


_QUARANTINE_DAYS = 30


_QUARANTINED = re.compile(r"~\d+$")  # as `headlines.storage.artifact.quarantine` numbers them


def clean_drafts(catalog: Catalog) -> int:
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


def clean_chunks(catalog: Catalog) -> int:
    """Remove the pieces of batches that no run has come back to for a week; return how many."""
    swept = 0
    folders = ("admitted", "chunks", "shared/admitted", "shared/chunks")
    for piece in (one for folder in folders for one in catalog.work.glob(f"{folder}/*")):
        if _is_old(piece):
            shutil.rmtree(piece, ignore_errors=True)
            swept += 1
    return swept


def clean_quarantine(catalog: Catalog) -> int:
    """Remove what was set aside as damaged more than 30 days ago; return how many artifacts."""
    swept = 0
    for folder, folders, files in os.walk(catalog.work / "damaged"):
        aside = [name for name in (*folders, *files) if _QUARANTINED.search(name)]
        folders[:] = [name for name in folders if name not in aside]  # they are not looked into
        for path in (Path(folder, name) for name in aside):
            with contextlib.suppress(FileNotFoundError):  # another run has removed it
                # The rename that set it aside changed this time, and not that of its content.
                days = (time.time() - path.lstat().st_ctime) / (24 * 3600)
                if days > _QUARANTINE_DAYS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    _log.info("removed %s, set aside as damaged %d days ago", path, days)
                    swept += 1
    return swept


def _is_old(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # another run is done with it
        return path.stat().st_mtime < time.time() - _CHUNKS_KEPT_SECONDS
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
