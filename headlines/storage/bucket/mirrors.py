"""Which mirror a path is part of: its text tells, for many who read and write know no more."""

import os
from functools import cache
from pathlib import Path

from headlines.errors import InputError
from headlines.storage.bucket.address import address_of_mirror, root_of_mirror
from headlines.storage.bucket.mirror import Mirror

SHARED = ".work/shared"  # pieces of batches for workers on other machines
_LOCAL = (".work", ".prefect", "logs", "tokens/by-content")  # what each machine has for itself


def mirror_of(path: Path) -> Mirror | None:
    """The mirror that a path is part of; None for local data roots and what each machine has alone.

    Raises:
        InputError: the bucket cannot be used.
    """
    root = root_of_mirror(path)
    if root is None or root == path:
        return None
    name = path.relative_to(root).as_posix()
    local = any(name == one or name.startswith(f"{one}/") for one in _LOCAL)
    if local and not name.startswith(f"{SHARED}/"):
        return None
    return mirror_at(root)


def mirror_at(root: Path) -> Mirror | None:
    """The mirror whose root a directory is; None for local data roots."""
    if root_of_mirror(root) != root:
        return None
    return _mirror(root, os.getpid())


@cache
def _mirror(root: Path, _process: int) -> Mirror:
    address = address_of_mirror(root)
    if address is None:
        raise InputError(
            "this machine does not know which bucket the directory mirrors",
            str(root),
            "set HEADLINES_DATA here to the s3:// address that the run has",
        )
    return Mirror(root, address)
