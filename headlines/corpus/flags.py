"""Flags of the rows of a corpus, from digests of all rows.

All rows are compared at once, so only digests, split and label of each are held: 26 bytes, and
about 40 more while they are sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from headlines.corpus.read_files import ROW_KEYS_FILE, ROW_KEYS_SCHEMA
from headlines.corpus.source_rows import SPLITS
from headlines.labels import LABELS
from headlines.storage.artifact import Artifact

_TRAIN = SPLITS.index("train")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowKeys:
    """What decides the flags of each usable row of a corpus, in their order; all (rows,).

    Attributes:
        text_high: uint64, the first half of the record id.
        text_low: uint64, the other half.
        title: uint64, a digest of the title as it is in the file.
        split: int8, index in `SPLITS`.
        label: int8; -1 for none.
    """

    text_high: npt.NDArray[np.uint64]
    text_low: npt.NDArray[np.uint64]
    title: npt.NDArray[np.uint64]
    split: npt.NDArray[np.int8]
    label: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.split)


@dataclass(frozen=True)
class Flags:
    """The flags of each usable row, described in `corpus.ingest`; all bool, shape (rows,)."""

    duplicate: Bools
    label_conflict: Bools
    leaked: Bools


def row_keys(read: Sequence[Artifact]) -> RowKeys:
    """The keys of all rows of a corpus, from the results of `read_file` for its sources."""
    rows = sum(file.counts["rows"] for file in read)
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.empty(rows, dtype.to_pandas_dtype())
        for name, dtype in zip(ROW_KEYS_SCHEMA.names, ROW_KEYS_SCHEMA.types, strict=True)
    }
    start = 0
    for artifact in read:
        with pq.ParquetFile(artifact.directory / ROW_KEYS_FILE) as file:
            for batch in file.iter_batches():
                for name, column in columns.items():
                    column[start : start + len(batch)] = batch.column(name).to_numpy()
                start += len(batch)
    return RowKeys(**columns)


def compute_flags(keys: RowKeys) -> Flags:
    """Compare every row with all others of the same text; there is at least one row."""
    # Sorted by text, then by split, then by the order of the corpus.
    order = np.lexsort((keys.split, keys.text_low, keys.text_high))
    split = keys.split[order]
    is_new_text = np.ones(len(order), bool)
    is_new_text[1:] = _differs(keys.text_high[order]) | _differs(keys.text_low[order])
    text_starts = np.flatnonzero(is_new_text)
    # One bit for each split, and for each label, that a text occurs with.
    splits = np.bitwise_or.reduceat(np.left_shift(1, split, dtype=np.int8), text_starts)
    label_bits = np.array([*(1 << label for label in range(len(LABELS))), 0], np.int8)  # -1: 0
    labels = np.bitwise_or.reduceat(label_bits[keys.label[order]], text_starts)
    conflict = labels & (labels - 1) != 0  # more than one bit
    train = np.int8(1 << _TRAIN)
    text = np.cumsum(is_new_text) - 1  # (rows,), indices into the texts
    leaked = np.where(split == _TRAIN, (splits & ~train != 0)[text], (splits & train != 0)[text])
    duplicate = ~is_new_text
    duplicate[1:] &= ~_differs(split)
    return Flags(*(_unsorted(flag, order) for flag in (duplicate, conflict[text], leaked)))


def counts_by_split(keys: RowKeys, flags: Flags) -> dict[str, dict[str, Any]]:
    """The counts of each split for the manifest."""
    leaked_titles = {  # a title in train and in another split is always leaked
        split: np.unique(keys.title[flags.leaked & (keys.split == index)])
        for index, split in enumerate(SPLITS)
    }
    counts = {}
    for index, split in enumerate(SPLITS):
        in_split = keys.split == index
        labels = np.bincount(keys.label[in_split] + 1, minlength=len(LABELS) + 1).tolist()
        also_in_train = np.isin(leaked_titles[split], leaked_titles["train"]).sum()
        counts[split] = {
            "rows": int(in_split.sum()),
            "labels": {name: labels[label + 1] for label, name in enumerate(LABELS)},
            "unlabelled": labels[0],
            "duplicates": int((flags.duplicate & in_split).sum()),
            "label_conflicts": int((flags.label_conflict & in_split).sum()),
            "leaked": int((flags.leaked & in_split).sum()),
            "titles_also_in_train": 0 if split == "train" else int(also_in_train),
        }
    return counts


def _differs(values: npt.NDArray[Any]) -> Bools:
    """Whether each value but the first differs from the one before it."""
    different: Bools = values[1:] != values[:-1]
    return different


def _unsorted(values: Bools, order: npt.NDArray[np.int64]) -> Bools:
    """Sorted values in the original order of the rows."""
    original = np.empty_like(values)
    original[order] = values
    return original
