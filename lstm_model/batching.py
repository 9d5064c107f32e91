"""Batches of rows of similar length, in random order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SORTED_BATCHES = 8  # batches whose rows, drawn at random, are sorted together


def batches(
    lengths: NDArray[np.integer], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """The indices of all rows, each once, in batches of `batch_size` rows; one may have fewer.

    A batch runs to its longest row, so rows of similar length cost less together. All rows are
    shuffled, sorted by length within `SORTED_BATCHES` batches, and the batches shuffled: sorting
    all rows at once would put the same ones together in every epoch.

    Args:
        lengths: words of each row, `(rows,)`.
        rng: decides the order.
    """
    order = rng.permutation(len(lengths))
    sorted_rows = SORTED_BATCHES * batch_size
    result = []
    for start in range(0, len(order), sorted_rows):
        rows = order[start : start + sorted_rows]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        result += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [result[number] for number in rng.permutation(len(result))]
