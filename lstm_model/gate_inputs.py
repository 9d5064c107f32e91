"""Gate inputs computed once for every word, so that a step of the scorer only looks a row up.

`x(t) w + b` depends on the word at t alone: computed for the whole vocabulary, it is a table with
one row a word. sigmoid(z) = 1/2 + 1/2 tanh(z/2), so the columns of the three sigmoid gates, and
their recurrent weights, are halved here, and one tanh serves all four gates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lstm_model.architecture import EMBEDDINGS, GATES, branches
from lstm_model.presets import Preset
from lstm_model.row_stable import Floats, row_stable_affine

MAX_TABLE_BYTES = 256 * 2**20  # reading a larger table would cost more than it saves


def table_shape(preset: Preset, *vocabulary_sizes: int) -> tuple[int, int, int] | None:
    """`(LSTMs, words, 4*units)`, or None where there is no table.

    There is none beyond `MAX_TABLE_BYTES`, and none for a classifier whose branches read several
    inputs, whose tables would be beyond it.
    """
    if len(preset.inputs) > 1:
        return None
    vocabulary_size = vocabulary_sizes[0]
    shape = (len(_lstms(preset)), vocabulary_size, 4 * preset.units)
    return shape if 4 * np.prod(shape, dtype=object) <= MAX_TABLE_BYTES else None


def precompute_gate_inputs(preset: Preset, weights: Mapping[str, Floats]) -> Floats | None:
    """The gate inputs of every word: float32 of `table_shape`, or None where that is None."""
    embeddings = [weights[f"{EMBEDDINGS[name]}/embeddings"] for name in preset.input_names]
    shape = table_shape(preset, *map(len, embeddings))
    if shape is None:
        return None
    [embedding] = embeddings  # (words, embedding_size)
    table = np.empty(shape, dtype=np.float32)
    for gate_inputs, lstm in zip(table, _lstms(preset), strict=True):
        w, b = stack_gates(weights, lstm, "w"), stack_gates(weights, lstm, "b")
        gate_inputs[:] = row_stable_affine(embedding, w, b)
    return table


def stack_gates(weights: Mapping[str, Floats], lstm: str, kind: str) -> Floats:
    """An LSTM's weights of a kind (`w`, `u` or `b`) `(…, 4*units)`, in the order of `GATES`."""
    scale = {gate: np.float32(1 if gate == "c" else 0.5) for gate in GATES}
    stacked = [scale[gate] * weights[f"{lstm}/{kind}{gate}"] for gate in GATES]
    return np.concatenate(stacked, axis=-1)


def _lstms(preset: Preset) -> list[str]:
    """Names of all LSTMs, branch by branch."""
    return [lstm for branch in branches(preset) for lstm in branch.lstms]
