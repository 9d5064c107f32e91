"""Writes files that a person asked for, outside the data root: as a whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.storage.atomic import fsync_directory
from headlines.storage.layout import Catalog


def check_output_path(catalog: Catalog, path: Path, option: str) -> None:
    """Find out, before any work is done for it, whether a file can be written at `path`.

    Args:
        catalog: the data root, whose folders hold nothing but what runs make.
        path: where the file is to stand; one that stands there is replaced.
        option: of the command line that named it.

    Raises:
        InputError: it cannot be written, or lies in a folder of the data root.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is no file", option, "name a file")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"no file can be written in {target.parent}", option, "name a folder of yours"
        )
    root = catalog.root.resolve()
    if target.is_relative_to(root) and target.parent != root:
        raise InputError(
            f"{path} lies in a folder of the data root", option, "name a place outside of it"
        )


@contextlib.contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write to; it takes the place of `path` if all goes well."""
    target = path.resolve()  # what a link points to is replaced, not the link
    draft = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.rename(target)
        fsync_directory(target.parent)
    except OSError as error:
        if error.filename is None:  # a failed write does not say what it was for
            reason = error.strerror or str(error)
            raise OSError(error.errno or errno.EIO, reason, str(target)) from error
        raise
    finally:
        draft.unlink(missing_ok=True)  # after the rename there is none
