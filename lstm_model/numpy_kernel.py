"""`NumPyKernel`: the products and the recurrence of the packed scorer in NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lstm_model.presets import Pooling
from lstm_model.row_stable import TILE, Floats, round_up_to_tile, row_stable_affine

Ints = NDArray[np.int64]

STEP_ROWS = 1024  # stepped together: their state stays in the processor's cache


class NumPyKernel:
    """See `kernel.Kernel`; `steps` must descend."""

    name = "numpy"

    def affine(self, x: Floats, w: Floats, b: Floats) -> Floats:
        return row_stable_affine(x, w, b)

    def pooled(
        self,
        table: Floats,
        u: Floats,
        ids: Ints,
        first: Ints,
        stride: int,
        steps: Ints,
        pooling: Pooling,
    ) -> Floats:
        pool = _last if pooling == "last" else _max_mean
        result = np.empty((1 if pooling == "last" else 2, len(steps), len(u)), dtype=np.float32)
        for start in range(0, len(steps), STEP_ROWS):
            rows = slice(start, start + STEP_ROWS)
            pool(
                _outputs(table, u, ids, first[rows], stride, steps[rows]),
                steps[rows],
                result[:, rows],
            )
        return result


def _outputs(
    table: Floats, u: Floats, ids: Ints, first: Ints, stride: int, steps: Ints
) -> Iterator[Floats]:
    """For each step, the outputs `(active, units)` of the rows that have a word there.

    An output is valid until the next one.
    """
    units, half = len(u), np.float32(0.5)
    rows = round_up_to_tile(len(steps))  # arrays of this height serve all steps
    h = np.zeros((rows, units), dtype=np.float32)
    c = np.zeros((rows, units), dtype=np.float32)
    z = np.zeros((rows, 4 * units), dtype=np.float32)
    x, candidate = np.empty_like(z), np.empty_like(c)
    h_tiles, z_tiles = h.reshape(-1, TILE, units), z.reshape(-1, TILE, 4 * units)
    f, i, o, g = np.split(z, 4, axis=1)  # (rows, units) each, views of z
    sigmoids = z[:, : 3 * units]
    longest = int(steps.max(initial=0))
    for t, active in enumerate(np.searchsorted(-steps, -np.arange(longest)).tolist()):
        # `active` rows have more than t steps; they are the first ones
        n, tiles = slice(active), slice(round_up_to_tile(active) // TILE)
        if t > 0:  # h is zero before
            np.matmul(h_tiles[tiles], u, out=z_tiles[tiles])
        # All ids are valid; `clip` saves a copy that `raise` makes.
        table.take(ids[first[n] + stride * t], axis=0, out=x[n], mode="clip")
        z[n] += x[n]
        np.tanh(z[n], out=z[n])
        sigmoids[n] *= half
        sigmoids[n] += half
        np.multiply(i[n], g[n], out=candidate[n])
        c[n] *= f[n]
        c[n] += candidate[n]
        np.tanh(c[n], out=h[n])
        h[n] *= o[n]
        yield h[n]


def _last(outputs: Iterator[Floats], _steps: Ints, result: Floats) -> None:
    """Write the last output of each row into `result` `(1, rows, units)`."""
    result[:] = 0
    for h in outputs:
        result[0, : len(h)] = h


def _max_mean(outputs: Iterator[Floats], steps: Ints, result: Floats) -> None:
    """Write maximum and mean of each row's outputs into `result` `(2, rows, units)`."""
    maximum, total = result
    maximum[:], total[:] = -np.inf, 0
    for h in outputs:
        np.maximum(maximum[: len(h)], h, out=maximum[: len(h)])
        total[: len(h)] += h
    maximum[steps == 0] = 0
    total /= np.maximum(steps, 1).astype(np.float32)[:, None]
