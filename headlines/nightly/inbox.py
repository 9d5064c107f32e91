"""Finds the batches in the inbox, and says why other files are not batches, or not yet."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import SUPPORTED_SUFFIXES, data_suffix
from headlines.scoring.batch import Batch, errors_with_urls, files_of_folder
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange, dates_in

# How programs name a file while they write it.
_UNFINISHED = (
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".crdownload",
    ".download",
    ".filepart",
    ".incomplete",
    ".inprogress",
    ".swp",
    "~",
)


@dataclass(frozen=True)
class Inbox:
    """The content of the inbox.

    Attributes:
        batches: those that can be scored, in order of name.
        settling: by name, batches that may still be written, with how long ago they changed.
        skipped: by name, other files, with the reason.
        other_days: names of batches of days that were not asked for.
        undated: names of batches that hold no day, where days were asked for.
    """

    batches: list[Batch] = field(default_factory=list)
    settling: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    other_days: list[str] = field(default_factory=list)
    undated: list[str] = field(default_factory=list)


ALL_DAYS = DayRange()


def read_inbox(
    root: DataRoot,
    digest: Callable[[Path], str] = file_sha256,
    settle_seconds: float = 0,
    days: DayRange = ALL_DAYS,
) -> Inbox:
    """Every batch of the inbox: its files, and its folders that are named like a file.

    Args:
        root: the data root.
        digest: gives the SHA-256 of a file.
        settle_seconds: a batch that changed less than that ago may still be written, and is left.
        days: those whose batches are wanted; with all days, so are batches without a day.
    """
    inbox = Inbox()
    folder = root.store.fetch(root.inbox).resolve()
    for name, path in sorted(_candidates(folder, "", inbox.skipped)):
        if not days.are_all and not any(day in days for day in dates_in(name)):
            (inbox.other_days if dates_in(name) else inbox.undated).append(name)
            continue
        try:
            with errors_with_urls(root):
                files = files_of_folder(path) if path.is_dir() else (path,)
                _reject_outside_links(folder, path, files)
                age = time.time() - last_changed((path, *files))
                if abs(age) >= settle_seconds:
                    inbox.batches.append(Batch.of(name, path, files, digest))
                    continue
            inbox.settling[name] = f"changed {max(age, 0):.0f} s ago: left for the next night"
        except InputError as error:
            inbox.skipped[name] = str(error)
        except OSError as error:  # it was removed in the meantime, perhaps
            inbox.skipped[name] = f"it cannot be read ({error.strerror})"
    return inbox


def last_changed(files: Sequence[Path]) -> float:
    """When the newest of the files was changed, in seconds since 1970."""
    # Programs can set a file's time of change, even to one in the future. That of its inode they
    # cannot set, but moving a file changes it. Both are late only for what was just written.
    return max(min(status.st_mtime, status.st_ctime) for status in map(os.stat, files))


def _candidates(folder: Path, prefix: str, skipped: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """Name and path of each file and folder that is named like a batch; others are skipped."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # there is no inbox yet, or the folder was removed in the meantime
        return
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.name.startswith("."):
            # Programs write under hidden names too; other hidden files are not mentioned.
            if data_suffix(entry.name) or data_suffix(entry.name.rpartition(".")[0]):
                skipped[name] = "it is hidden, like files that are still being written"
        elif entry.name.lower().endswith(_UNFINISHED):
            skipped[name] = "its name says that it is still being written"
        elif data_suffix(entry.name):
            if entry.is_file() or entry.is_dir():
                yield name, Path(entry.path)
            else:
                skipped[name] = "not a regular file"
        elif entry.is_dir(follow_symlinks=False):
            yield from _candidates(Path(entry.path), f"{name}/", skipped)
        else:
            skipped[name] = f"its suffix is not one of {SUPPORTED_SUFFIXES}"


def _reject_outside_links(inbox: Path, path: Path, files: Sequence[Path]) -> None:
    for file in (path, *files):
        if file.is_symlink() and not file.resolve().is_relative_to(inbox):
            raise InputError("the link leads out of the inbox", str(file), "copy the file")
