"""Moves batches that were scored out of the inbox, so that it does not grow for ever."""

import contextlib
import errno
import glob
import itertools
import math
import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from headlines.errors import InputError
from headlines.nightly.inbox import last_changed, read_inbox
from headlines.readers import data_suffix
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState, batch_state, try_claim
from headlines.storage.artifact import source_digest
from headlines.storage.atomic import (
    file_lock,
    fsync_directory,
    fsync_file,
    fsync_tree,
    mkdir_durable,
)
from headlines.storage.bucket.external_files import fetch_external
from headlines.storage.bucket.mirrors import mirror_of
from headlines.storage.bucket.moving import move, resume_moves
from headlines.storage.file_digests import FileDigestCache
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input

_DAY = 24 * 3600
_ASIDE = ".archiving"


@dataclass(frozen=True)
class ArchiveResult:
    """What was moved out of the inbox.

    Attributes:
        directory: the archive.
        moved: batches by name, each with where it lies now, relative to the archive.
        kept: how many batches stay in the inbox, by what keeps them.
        dry_run: whether nothing was moved, but would be.
    """

    directory: str
    moved: dict[str, str]
    kept: dict[str, int]
    dry_run: bool


def archive(catalog: Catalog, older_than_days: float = 30, dry_run: bool = False) -> ArchiveResult:
    """Move batches that were scored and did not change for some days from `inbox/` to `archive/`.

    Each moves in one step, and only while its bytes are those that were scored. Its predictions
    stay, and `lineage` finds it in its new place.

    Args:
        catalog: the data root.
        older_than_days: how long a batch has not changed.
        dry_run: only say what would be moved.

    Raises:
        InputError: the days are none.
        OSError: a file cannot be moved; those before it were.
    """
    if not 0 <= older_than_days < math.inf:
        raise InputError(
            f"{older_than_days} is no number of days", "--older-than", "use 0 or more days"
        )
    # One run at a time: what lies aside is then of a run that was killed, and not at work.
    with file_lock(catalog, "archiving"):
        for aside in _left_aside(catalog.inbox):
            _put_back(aside)
        if (mirror := mirror_of(catalog.inbox)) is not None:
            resume_moves(mirror, catalog.inbox)
        return _archive(catalog, older_than_days * _DAY, dry_run)


def _archive(catalog: Catalog, seconds: float, dry_run: bool) -> ArchiveResult:
    digests = FileDigestCache(catalog)
    moved: dict[str, str] = {}
    kept: Counter[str] = Counter()
    try:
        for batch in read_inbox(catalog, digests.of).batches:
            if why := _keep_reason(batch, seconds):
                kept[why] += 1
                continue
            if not (claim := try_claim(catalog, batch)):
                kept["in use"] += 1
                continue
            with claim:
                state = batch_state(catalog, batch, digests.of)
                target = _free_place(catalog, batch)
                if state is not BatchState.SCORED:
                    kept[state.value] += 1
                elif not dry_run and not _move(batch, target):
                    kept["changed meanwhile"] += 1
                else:
                    moved[batch.name] = target.relative_to(catalog.archive).as_posix()
            if not dry_run:
                _remove_empty(catalog, batch.path.parent)
    finally:
        if not dry_run:
            digests.save()
    return ArchiveResult(str(catalog.archive), moved, dict(kept), dry_run)


def find_archived(catalog: Catalog, source: Input) -> Path | None:
    """Where in the archive the bytes of a batch lie that was in the inbox; None if nowhere."""
    path = catalog.root / source.path
    for inbox in (catalog.inbox, catalog.inbox.resolve()):
        if path.is_relative_to(inbox):
            place = catalog.archive / path.relative_to(inbox)
            _bring_namesakes(place)
            for candidate in (place, *place.parent.glob(_numbered(glob.escape(place.name), "*"))):
                if source_digest(candidate, source) == source.sha256:
                    return candidate
    return None


def _keep_reason(batch: Batch, seconds: float) -> str:
    """What keeps a batch in the inbox, whether it was scored or not; empty where nothing does."""
    if batch.path.is_symlink():
        return "links"
    try:
        return "too young" if time.time() - last_changed(batch.files) < seconds else ""
    except FileNotFoundError:
        return "changed meanwhile"


def _free_place(catalog: Catalog, batch: Batch) -> Path:
    """Where a batch may go: to its name, or to a numbered one if other bytes are there."""
    place = catalog.archive / batch.name
    _bring_namesakes(place)
    source = batch.as_source(catalog)
    if not place.exists() or (
        # The same bytes once more. A folder does not take the place of another one.
        place.is_file() and source_digest(place, source) == batch.sha256
    ):
        return place
    numbered = (place.with_name(_numbered(place.name, str(n))) for n in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())


def _bring_namesakes(place: Path) -> None:
    """Of an archive in a bucket, have here what has that name or a numbered one of it."""
    beside = _numbered(glob.escape(place.name), "*")
    fetch_external(
        place.parent,
        lambda name: name.split("/")[0] == place.name or fnmatchcase(name.split("/")[0], beside),
    )


def _numbered(name: str, number: str) -> str:
    # No batch name may hold a `~`, so it is never taken for a batch of its own.
    ending = data_suffix(name) or ""
    return f"{name.removesuffix(ending)}~{number}{ending}"


def _move(batch: Batch, target: Path) -> bool:
    """Move a batch; leave it, and say no, if its bytes are not those that were scored."""
    if (mirror := mirror_of(batch.path)) is not None:
        return batch.unchanged() and move(mirror, batch.path, batch.files, target)
    mkdir_durable(target.parent)
    try:
        moved = _renamed(batch, target)
    except FileNotFoundError:  # another run was first
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        moved = _carried_over(batch, target)
    fsync_directory(target.parent)
    with contextlib.suppress(FileNotFoundError):  # another run has left it empty
        fsync_directory(batch.path.parent)
    return moved


def _renamed(batch: Batch, target: Path) -> bool:
    batch.path.rename(target)
    if _at(batch, target).unchanged():  # no one can exchange it any more
        return True
    if not batch.path.exists():
        target.rename(batch.path)
    return False


def _carried_over(batch: Batch, target: Path) -> bool:
    """Move a batch to another file system."""
    aside = batch.path.with_name(f".{batch.path.name}{_ASIDE}")
    draft = target.with_name(f".{target.name}.partial")
    _remove(draft)  # of a run that was killed
    batch.path.rename(aside)  # out of the way of a revision that comes meanwhile
    try:
        if not _at(batch, aside).unchanged():
            return False
        if aside.is_dir():
            shutil.copytree(aside, draft)
            fsync_tree(draft)
        else:
            shutil.copy2(aside, draft)
            fsync_file(draft)
        if not _at(batch, draft).unchanged():
            return False
        draft.rename(target)
        fsync_directory(target.parent)
        _remove(aside)
        return True
    finally:
        _remove(draft)
        _put_back(aside)


def _left_aside(inbox: Path) -> list[Path]:
    # Unlike a glob, a walk does not mind a folder that is taken away meanwhile.
    return [
        Path(folder, name)
        for folder, folders, files in os.walk(inbox)
        for name in (*folders, *files)
        if name.startswith(".") and name.endswith(_ASIDE)
    ]


def _put_back(aside: Path) -> None:
    """Give a batch its name again, if nothing has taken it; what is left over is removed."""
    name = aside.with_name(aside.name.removeprefix(".").removesuffix(_ASIDE))
    if aside.exists() and not name.exists():
        aside.rename(name)


def _at(batch: Batch, place: Path) -> Batch:
    files = tuple(place / file.relative_to(batch.path) for file in batch.files)
    return replace(batch, path=place, files=files)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(catalog: Catalog, folder: Path) -> None:
    """Remove a folder of the inbox that a batch has left empty, and those above it."""
    inbox = catalog.inbox.resolve()
    with contextlib.suppress(OSError):  # it is not empty
        while folder != inbox and folder.is_relative_to(inbox):
            folder.rmdir()
            folder = folder.parent
