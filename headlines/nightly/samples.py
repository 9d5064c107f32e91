"""Sample predictions of a batch or a night, for people to look at."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.labels import LABELS

_COLUMNS = ["record_id", "title", "label_name", "probability"]
_TYPICAL = 5  # for each class
_UNSURE = 3  # for each class
_CANDIDATES = 20  # for each class, file and kind of sample

Row = dict[str, Any]
"""A prediction: `record_id`, `title`, `label_name` and `probability`."""


@dataclass(frozen=True)
class Sample:
    """Some predictions of one class.

    Attributes:
        typical: a random sample, the same on every run.
        unsure: those with the lowest probability among the others, the lowest first.
    """

    typical: list[Row]
    unsure: list[Row]


def first_predictions(predictions: Path, rows: int) -> list[Row]:
    """The first predictions, up to `rows`, in the directory of a batch's predictions."""
    import pyarrow.parquet as pq

    first = next(iter(sorted(predictions.glob("part-*.parquet"))), None)
    if first is None:
        return []
    with pq.ParquetFile(first) as file:
        first_rows: list[Row] = next(file.iter_batches(rows, columns=_COLUMNS)).to_pylist()
    return first_rows


def samples_by_class(predictions: Iterable[Path]) -> dict[str, Sample]:
    """Sample predictions by class, without duplicates, from the directories of batches."""
    candidates: dict[str, Row] = {}  # by record id
    for directory in predictions:
        for part in sorted(directory.glob("part-*.parquet")):
            candidates |= {row["record_id"]: row for row in _candidates(part)}
    samples = {}
    for label in LABELS:
        rows = [row for row in candidates.values() if row["label_name"] == label]
        if rows:
            typical = heapq.nsmallest(_TYPICAL, rows, key=lambda row: row["record_id"])
            others = [row for row in rows if row not in typical]
            unsure = heapq.nsmallest(_UNSURE, others, key=_probability_key)
            samples[label] = Sample(typical, unsure)
    return samples


def _candidates(part: Path) -> list[Row]:
    """Candidates from one file, more than needed because titles may repeat across files."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(part) as file:
        table = file.read(columns=_COLUMNS)
    rows: list[Row] = []
    for label in LABELS:
        of_label = table.filter(pc.equal(table["label_name"], label))
        # A record id is a digest of the title, so the smallest ids are a random sample.
        for column in ("record_id", "probability"):
            keys = [(column, "ascending"), ("record_id", "ascending")]
            first = pc.select_k_unstable(of_label, _CANDIDATES, sort_keys=keys)
            rows += of_label.take(first).to_pylist()
    return rows


def _probability_key(row: Row) -> tuple[float, str]:
    return row["probability"], row["record_id"]
