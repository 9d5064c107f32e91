"""Writes files that a person asked for, outside the data root: as a whole or not at all."""

import os
from pathlib import Path

from headlines.errors import InputError
from headlines.storage.atomic import atomic_output as atomic_output
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
