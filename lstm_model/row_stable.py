"""Matrix products in which a row gets the same bits wherever it stands in the matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Rows of one product. In a taller matrix BLAS rounds a row by its position; in one of eight rows
# it rounds all alike (seen with OpenBLAS' kernels from Nehalem to SkylakeX).
TILE = 8


def row_stable_affine(x: Floats, w: Floats, b: Floats) -> Floats:
    """`x w + b` of `x` `(rows, n)`, `w` `(n, m)` and `b` `(m,)`: `(rows, m)`."""
    padded = np.zeros((round_up_to_tile(len(x)), x.shape[1]), dtype=np.float32)
    padded[: len(x)] = x
    product: Floats = (padded.reshape(-1, TILE, x.shape[1]) @ w).reshape(len(padded), w.shape[1])
    return product[: len(x)] + b


def round_up_to_tile(rows: int) -> int:
    """`rows`, rounded up to whole tiles."""
    return -(-rows // TILE) * TILE
