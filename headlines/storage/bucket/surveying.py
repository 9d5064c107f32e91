"""One listing in the place of thousands of questions, for those who go through many batches."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from headlines.storage.bucket.mirrors import mirror_at, mirror_of
from headlines.storage.layout import Catalog


@contextlib.contextmanager
def surveyed(catalog: Catalog) -> Iterator[None]:
    """While it lasts, what a bucket has of batches is known from one listing of each folder.

    For a local data root it is nothing.
    """
    mirror = mirror_at(catalog.root)
    if mirror is None:
        yield
        return
    folders = (catalog.predictions, catalog.root / "rejects", catalog.root / "failed")
    with mirror.surveyed(*folders):
        yield


def forget(directory: Path) -> None:
    """Ask the bucket again for what a survey told of an artifact."""
    if (mirror := mirror_of(directory)) is not None:
        mirror.forget(directory)
