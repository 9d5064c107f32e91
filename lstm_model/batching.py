"""Batches of rows of like length, in an order that a seed decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 8  # batches; among so many drawn at random the rows are sorted


def batches(
    lengths: NDArray[np.integer], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """The numbers of all rows, each once, in batches of `batch_size` rows; the last has the rest.

    A batch is stepped to its longest row, so rows of like length cost less together. All rows are
    shuffled, sorted by length within windows of `WINDOW` batches, and the batches shuffled: a row
    meets others each time, as it would not if all were sorted.

    Args:
        lengths: words of each row, `(rows,)`.
        rng: decides the order.
    """
    order = rng.permutation(len(lengths))
    window = WINDOW * batch_size
    found = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        found += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [found[place] for place in rng.permutation(len(found))]
