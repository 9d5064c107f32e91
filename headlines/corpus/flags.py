"""Flags of the rows of a corpus: what stands elsewhere of their text, told from digests.

It takes all rows at once, so of each only digests, split and label are held: 26 bytes, and some 40
more while they are sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from headlines.corpus.read_files import MARKS, MARKS_SCHEMA
from headlines.corpus.source_rows import SPLITS
from headlines.labels import LABELS
from headlines.storage.artifact import Artifact, have_here

_TRAIN = SPLITS.index("train")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowKeys:
    """What flags need of each usable row of a corpus, in the order of the rows; all (rows,).

    Attributes:
        text_high: uint64, the first half of the record id.
        text_low: uint64, the other half.
        title: uint64, a digest of the title as it stands.
        split: int8, its place in `SPLITS`.
        label: int8; -1 where it has none.
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
    """The flags of each usable row, as `corpus.ingest` tells of them; all bool, shape (rows,)."""

    duplicate: Bools
    label_conflict: Bools
    leaked: Bools


def row_keys(read: Sequence[Artifact]) -> RowKeys:
    """The marks of all rows of a corpus, from the files that were read of it, in their order."""
    rows = sum(one.counts["rows"] for one in read)
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.empty(rows, kind.to_pandas_dtype())
        for name, kind in zip(MARKS_SCHEMA.names, MARKS_SCHEMA.types, strict=True)
    }
    start = 0
    for one in read:
        have_here(one.directory, MARKS)
        with pq.ParquetFile(one.directory / MARKS) as file:
            for batch in file.iter_batches():
                for name, column in columns.items():
                    column[start : start + len(batch)] = batch.column(name).to_numpy()
                start += len(batch)
    return RowKeys(**columns)


def flags_of(marks: RowKeys) -> Flags:
    """Compare every row with all others of its text; there is one row at least."""
    # Rows of one text together, of them those of one split, of these in the order of the corpus.
    order = np.lexsort((marks.split, marks.text_low, marks.text_high))
    split = marks.split[order]
    other_text = np.ones(len(order), bool)  # than that of the row before
    other_text[1:] = _differs(marks.text_high[order]) | _differs(marks.text_low[order])
    texts = np.flatnonzero(other_text)
    in_splits = np.bitwise_or.reduceat(np.left_shift(1, split, dtype=np.int8), texts)
    # A row without a label conflicts with none: it has the bit of no label.
    labelled = np.array([*(1 << label for label in range(len(LABELS))), 0], np.int8)
    with_labels = np.bitwise_or.reduceat(labelled[marks.label[order]], texts)
    conflict = with_labels & (with_labels - 1) != 0  # more than one bit
    train = np.int8(1 << _TRAIN)
    text = np.cumsum(other_text) - 1  # (rows,), into those of (texts,)
    leaked = np.where(
        split == _TRAIN, (in_splits & ~train != 0)[text], (in_splits & train != 0)[text]
    )
    duplicate = ~other_text
    duplicate[1:] &= ~_differs(split)
    return Flags(*(_unsorted(one, order) for one in (duplicate, conflict[text], leaked)))


def counts_by_split(marks: RowKeys, flags: Flags) -> dict[str, dict[str, Any]]:
    """What the manifest tells of each split."""
    titles = {
        # A title that stands on both sides is leaked, so no other ones are looked through.
        split: np.unique(marks.title[flags.leaked & (marks.split == place)])
        for place, split in enumerate(SPLITS)
    }
    counts = {}
    for place, split in enumerate(SPLITS):
        there = marks.split == place
        labels = np.bincount(marks.label[there] + 1, minlength=len(LABELS) + 1).tolist()
        also_in_train = np.isin(titles[split], titles["train"]).sum()
        counts[split] = {
            "rows": int(there.sum()),
            "labels": {name: labels[label + 1] for label, name in enumerate(LABELS)},
            "unlabelled": labels[0],
            "duplicates": int((flags.duplicate & there).sum()),
            "label_conflicts": int((flags.label_conflict & there).sum()),
            "leaked": int((flags.leaked & there).sum()),
            "titles_also_in_train": 0 if split == "train" else int(also_in_train),
        }
    return counts


def _differs(values: npt.NDArray[Any]) -> Bools:
    """Whether each value but the first is another one than that before."""
    different: Bools = values[1:] != values[:-1]
    return different


def _unsorted(values: Bools, order: npt.NDArray[np.int64]) -> Bools:
    """Values in the order of the rows, given those in another one."""
    placed = np.empty_like(values)
    placed[order] = values
    return placed
