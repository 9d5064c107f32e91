"""Moves batches that were scored from the inbox to the archive, so that the inbox stays small."""

import glob
import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from headlines.errors import InputError
from headlines.nightly.inbox import last_changed, read_inbox
from headlines.readers import data_suffix
from headlines.scoring.batch import Batch, name_within
from headlines.scoring.batch_state import BatchState, batch_state, try_claim
from headlines.storage.artifact import source_digest
from headlines.storage.data_root import DataRoot
from headlines.storage.file_digests import FileDigestCache

_DAY = 24 * 3600


@dataclass(frozen=True)
class ArchiveResult:
    """What was moved out of the inbox.

    Attributes:
        directory: location of the archive.
        moved: new names in the archive by the names of the batches.
        kept: number of batches that stay in the inbox, by reason.
        dry_run: whether nothing was moved, but would be.
    """

    directory: str
    moved: dict[str, str]
    kept: dict[str, int]
    dry_run: bool


def archive(root: DataRoot, older_than_days: float = 30, dry_run: bool = False) -> ArchiveResult:
    """Move batches that were scored and not changed for some days from `inbox/` to `archive/`.

    Each moves in one step, and only while its bytes are those that were scored. Its predictions
    stay, and `lineage` finds it in the archive.

    Args:
        root: the data root.
        older_than_days: how long a batch has not changed.
        dry_run: only say what would be moved.

    Raises:
        InputError: the number of days is negative or not finite.
        OSError: a file cannot be moved; those before it were.
    """
    if not 0 <= older_than_days < math.inf:
        raise InputError(
            f"{older_than_days} is not a number of days", "--older-than", "use 0 or more days"
        )
    # One run at a time, so that a move that is half done is of a run that was killed.
    with root.store.lock("archiving"):
        root.store.resume_moves(root.inbox)
        return _archive(root, older_than_days * _DAY, dry_run)


def _archive(root: DataRoot, seconds: float, dry_run: bool) -> ArchiveResult:
    digests = FileDigestCache(root)
    moved: dict[str, str] = {}
    kept: Counter[str] = Counter()
    try:
        for batch in read_inbox(root, digests.of).batches:
            if reason := _keep_reason(batch, seconds):
                kept[reason] += 1
                continue
            if not (claim := try_claim(root, batch)):
                kept["in use"] += 1
                continue
            with claim:
                state = batch_state(root, batch, digests.of)
                target = _free_name(root, batch)
                if state is not BatchState.SCORED:
                    kept[state.value] += 1
                elif not dry_run and not _move(root, batch, target):
                    kept["changed meanwhile"] += 1
                else:
                    moved[batch.name] = target.removeprefix(f"{root.archive}/")
            if not dry_run:
                _remove_empty(root, batch.path.parent)
    finally:
        if not dry_run:
            digests.save()
    return ArchiveResult(root.location(root.archive), moved, dict(kept), dry_run)


def _keep_reason(batch: Batch, seconds: float) -> str:
    """Why a batch stays in the inbox, whether it was scored or not; empty if it need not."""
    if batch.path.is_symlink():
        return "links"
    try:
        return "too young" if time.time() - last_changed(batch.files) < seconds else ""
    except FileNotFoundError:
        return "changed meanwhile"


def _free_name(root: DataRoot, batch: Batch) -> str:
    """The new name of a batch: its own, or a numbered one if another batch has that."""
    name = f"{root.archive}/{batch.name}"
    path = _fetch_candidates(root, name)
    source = batch.as_source(root)
    if not path.exists() or (
        # The same bytes again. A folder cannot be replaced.
        path.is_file() and source_digest(path, source) == batch.sha256
    ):
        return name
    numbered = (_numbered(name, str(number)) for number in itertools.count(1))
    return next(n for n in numbered if not path.with_name(PurePosixPath(n).name).exists())


def _fetch_candidates(root: DataRoot, name: str) -> Path:
    """Fetch what has a name in the archive, or a numbered one of it; return the path of the first.

    None of them need exist.
    """
    folder, _, file = name.rpartition("/")
    pattern = _numbered(glob.escape(file), "*")

    def is_candidate(path: str) -> bool:
        first = path.split("/")[0]
        return first == file or fnmatchcase(first, pattern)

    return root.store.fetch(folder, is_candidate) / file


def _numbered(name: str, number: str) -> str:
    # No batch name may hold a `~`, so it is never taken for another batch.
    suffix = data_suffix(name) or ""
    return f"{name.removesuffix(suffix)}~{number}{suffix}"


def _move(root: DataRoot, batch: Batch, target: str) -> bool:
    """Move a batch; leave it, and return False, if its bytes are not those that were scored."""
    digests = dict(zip(batch.file_names, batch.digests, strict=True))
    return root.store.move(batch.path, target, digests)


def _remove_empty(root: DataRoot, folder: Path) -> None:
    """Remove a folder that a batch has left empty, and those above it, but for the inbox."""
    while name_within(root, root.inbox, root.store.name_of(folder)):
        try:
            folder.rmdir()
        except OSError:  # it is not empty
            return
        folder = folder.parent
