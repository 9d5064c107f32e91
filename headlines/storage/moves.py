"""Moves a batch file or folder on a disk, and only while its bytes are those that were read."""

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from headlines.hashing import file_sha256
from headlines.storage.atomic import (
    fsync_directory,
    fsync_file,
    fsync_tree,
    mkdir_durable,
    remove_tree,
)

_LEAVING = ".archiving"  # the suffix of a hidden file or folder that is on its way


def move(path: Path, target: Path, digests: Mapping[str, str]) -> bool:
    """Move a file or folder; leave it, and say so, if its files have other digests.

    Args:
        path: of the file or folder.
        target: where it is to be.
        digests: SHA-256 by path relative to it, of a single file by `.`.
    """
    mkdir_durable(target.parent)
    try:
        moved = _rename(path, target, digests)
    except FileNotFoundError:  # another run was first
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        moved = _copy_over(path, target, digests)
    fsync_directory(target.parent)
    with contextlib.suppress(FileNotFoundError):  # another run has removed it, as it is empty
        fsync_directory(path.parent)
    return moved


def undo_moves(folder: Path) -> None:
    """Give back their names to what killed runs were moving to another file system."""
    # Unlike a glob, a walk ignores a folder that is removed in the meantime.
    leaving = [
        Path(parent, name)
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if name.startswith(".") and name.endswith(_LEAVING)
    ]
    for path in leaving:
        _restore(path)


def is_unchanged(path: Path, digests: Mapping[str, str]) -> bool:
    """Whether the files of a folder, or a file, still have these digests."""
    try:
        return all(file_sha256(path / name) == digest for name, digest in digests.items())
    except OSError:
        return False


def _rename(path: Path, target: Path, digests: Mapping[str, str]) -> bool:
    path.rename(target)
    if is_unchanged(target, digests):  # nobody replaces it any more
        return True
    if not path.exists():
        target.rename(path)
    return False


def _copy_over(path: Path, target: Path, digests: Mapping[str, str]) -> bool:
    """Move to another file system."""
    leaving = path.with_name(f".{path.name}{_LEAVING}")
    draft = target.with_name(f".{target.name}.partial")
    remove_tree(draft)  # of a run that was killed
    path.rename(leaving)  # so that a revision that arrives now gets a file of its own
    try:
        if not is_unchanged(leaving, digests):
            return False
        if leaving.is_dir():
            shutil.copytree(leaving, draft)
            fsync_tree(draft)
        else:
            shutil.copy2(leaving, draft)
            fsync_file(draft)
        if not is_unchanged(draft, digests):
            return False
        draft.rename(target)
        fsync_directory(target.parent)
        remove_tree(leaving)
        return True
    finally:
        remove_tree(draft)
        _restore(leaving)


def _restore(leaving: Path) -> None:
    """Give a file or folder its name back, unless it is gone or another one has that name."""
    path = leaving.with_name(leaving.name.removeprefix(".").removesuffix(_LEAVING))
    if leaving.exists() and not path.exists():
        leaving.rename(path)
