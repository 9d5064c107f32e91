"""The corpus of the benchmarks."""

from __future__ import annotations

import numpy as np

from headlines.corpus.inews import read_split, split_paths
from headlines.segmentation import segment
from lstm_model.examples import Examples


def examples(split: str, count: int | None = None) -> Examples:
    """The first `count` labelled headlines of `train`, `dev` or `test`, cut into words.

    Blank headlines are left out. If `count` is None, all others are there.
    """
    rows = [row.fields for row in read_split(split_paths()[split], split)]
    rows = [row for row in rows if row["title"].strip()][:count]
    titles, labels = [row["title"] for row in rows], [int(row["label"]) for row in rows]
    return Examples(segment(titles), np.array(labels))
