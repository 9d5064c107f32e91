"""The input projection folded into the embedding, so that a word costs a row lookup.

`x(t) w + b` depends on the word at t alone: computed once for every word of the vocabulary, it is
a table with one row of gate inputs a word. sigmoid(z) = 1/2 + 1/2 tanh(z/2), so the rows of the
three sigmoid gates, and their recurrent weights, are halved here once and for all, and the scorer
takes one tanh for all four gates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lstm_model.presets import EMBEDDINGS, Preset, readers, views

Floats = NDArray[np.float32]

LIMIT = 256 * 2**20  # bytes; of a table beyond that more would be read than is saved
# Products are made of so many rows each. In a taller matrix BLAS rounds a row by its place; in one
# of eight rows it rounds all alike (seen with OpenBLAS' kernels from Nehalem to SkylakeX).
TILE = 8


def table_shape(preset: Preset, *vocabulary_sizes: int) -> tuple[int, int, int] | None:
    """`(LSTMs, words, 4*units)`; None where such a table would be beyond `LIMIT`.

    A classifier that reads more than words has none either: it would be beyond it.
    """
    if len(vocabulary_sizes) > 1:
        return None
    [vocabulary_size] = vocabulary_sizes
    shape = (len(_lstms(preset)), vocabulary_size, 4 * preset.units)
    return shape if 4 * np.prod(shape, dtype=object) <= LIMIT else None


def fold(preset: Preset, weights: Mapping[str, Floats]) -> Floats | None:
    """The gate inputs of every word: float32 of `table_shape`, or None where that is None."""
    embeddings = [weights[f"{EMBEDDINGS[view]}/embeddings"] for view in views(preset)]
    shape = table_shape(preset, *map(len, embeddings))
    if shape is None:
        return None
    [embedding] = embeddings  # (words, embedding_size)
    table = np.empty(shape, dtype=np.float32)
    for gate_inputs, name in zip(table, _lstms(preset), strict=True):
        w, b = side_by_side(weights, name, "w"), side_by_side(weights, name, "b")
        gate_inputs[:] = project(embedding, w, b)
    return table


def _lstms(preset: Preset) -> list[str]:
    """Names of all LSTMs, reader by reader."""
    return [name for reader in readers(preset) for name in reader.lstms]


def side_by_side(weights: Mapping[str, Floats], lstm: str, kind: str) -> Floats:
    """An LSTM's weights of a kind (`w`, `u` or `b`) `(…, 4*units)`, its gates as f, i, o, c."""
    half = np.float32(0.5)
    parts = [weights[f"{lstm}/{kind}{gate}"] for gate in "fioc"]
    return np.concatenate([half * parts[0], half * parts[1], half * parts[2], parts[3]], axis=-1)


def project(x: Floats, w: Floats, b: Floats) -> Floats:
    """`x w + b` for `x` `(rows, n)`, `w` `(n, m)`: a row gets the same bits wherever it stands."""
    padded = np.zeros((tiled(len(x)), x.shape[1]), dtype=np.float32)
    padded[: len(x)] = x
    product: Floats = (padded.reshape(-1, TILE, x.shape[1]) @ w).reshape(len(padded), w.shape[1])
    return product[: len(x)] + b


def tiled(rows: int) -> int:
    """`rows`, rounded up to whole tiles."""
    return -(-rows // TILE) * TILE
