"""Selects a few predictions of a batch or a night for people to look at."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.labels import LABELS

_COLUMNS = ["record_id", "title", "label_name", "probability"]
_TYPICAL = 5  # of a class
_UNSURE = 3  # of a class
_CANDIDATES = 20  # for each of the two, of a class in a file

Row = dict[str, Any]
"""A prediction: `record_id`, `title`, `label_name` and `probability`."""


@dataclass(frozen=True)
class Sample:
    """Some predictions of one class.

    Attributes:
        typical: drawn at random, the same on every run.
        unsure: of the others, those of the lowest probability, the lowest first.
    """

    typical: list[Row]
    unsure: list[Row]


def first_predictions(predictions: Path, rows: int) -> list[Row]:
    """The first few predictions of a batch; none if it has none.

    Args:
        predictions: the directory of its predictions.
        rows: how many at most.
    """
    import pyarrow.parquet as pq

    part = min(predictions.glob("part-*.parquet"), default=None)
    if part is None:
        return []
    with pq.ParquetFile(part) as file:
        first: list[Row] = next(file.iter_batches(rows, columns=_COLUMNS)).to_pylist()
    return first


def samples_by_class(predictions: Iterable[Path]) -> dict[str, Sample]:
    """Some predictions of each class that occurs, none of them twice.

    Args:
        predictions: the directories of the predictions of some batches.
    """
    candidates: dict[str, Row] = {}  # by record
    for directory in predictions:
        for part in sorted(directory.glob("part-*.parquet")):
            candidates |= {row["record_id"]: row for row in _candidates(part)}
    samples = {}
    for label in LABELS:
        rows = [row for row in candidates.values() if row["label_name"] == label]
        if rows:
            typical = heapq.nsmallest(_TYPICAL, rows, key=lambda row: row["record_id"])
            others = [row for row in rows if row not in typical]
            unsure = heapq.nsmallest(_UNSURE, others, key=_by_probability)
            samples[label] = Sample(typical, unsure)
    return samples


def _candidates(part: Path) -> list[Row]:
    """Rows of one file that may be shown: more than needed, as titles may repeat."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(part) as file:
        table = file.read(columns=_COLUMNS)
    rows: list[Row] = []
    for label in LABELS:
        of_label = table.filter(pc.equal(table["label_name"], label))
        # A record's id is a digest of its title, so the smallest are as good as random.
        for column in ("record_id", "probability"):
            keys = [(column, "ascending"), ("record_id", "ascending")]
            first = pc.select_k_unstable(of_label, _CANDIDATES, sort_keys=keys)
            rows += of_label.take(first).to_pylist()
    return rows


def _by_probability(row: Row) -> tuple[float, str]:
    return row["probability"], row["record_id"]
