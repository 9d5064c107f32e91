"""`PackedScorer`: the classifier in NumPy alone, without a step spent on padding.

The Keras model multiplies every word's vector with the input weights, and steps every row to the
length of the longest. Here
- the input projection is folded into the embedding once (`E w + b`): a word costs a row lookup;
- rows are sorted by length, the longest first, so that those still alive at a step are the first
  ones, and only they are stepped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_model.bundle import Bundle, read_bundle
from lstm_model.presets import CLASSES

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 1024  # rows worked on together: their state stays in the processor's cache
# Products are made of so many rows each. In a taller matrix BLAS rounds a row by its place; in one
# of eight rows it rounds all alike (seen with OpenBLAS' kernels from Nehalem to SkylakeX).
TILE = 8


class PackedScorer:
    """Probabilities of the classes, from a bundle, equal to those of the Keras model within 1e-5.

    A row gets the same bits from run to run, and whatever its place and its neighbours are (where
    NumPy's BLAS is not OpenBLAS on x86-64: the same within rounding). A scorer never changes after
    loading, so threads may share one.

    Attributes:
        preset: what the classifier was trained with.
        vocabulary: its words.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Prepare to score with `bundle`; `load` does so from a directory."""
        self.preset = bundle.preset
        self.vocabulary = bundle.vocabulary
        self._forward = _Direction(bundle, "forward")
        self._backward = _Direction(bundle, "backward") if bundle.preset.bidirectional else None
        self._kernel = bundle.weights["dense/kernel"]  # (features, classes)
        self._bias = bundle.weights["dense/bias"]  # (classes,)

    @classmethod
    def load(cls, bundle_dir: Path) -> PackedScorer:
        """Read a bundle and prepare to score with it.

        Raises:
            BundleError: the bundle is missing, damaged or not one of ours.
        """
        return cls(read_bundle(Path(bundle_dir)))

    def predict(self, token_lists: Sequence[Sequence[str]]) -> Floats:
        """Probabilities `(rows, 3)`, float32, in the order of `token_lists`.

        A row without words gets what the Keras model gives for padding alone: an LSTM that has
        read nothing shows zeros, which leaves the softmax of the last layer's bias.
        """
        cut = self.preset.padded_length  # None: rows are never cut
        rows = [self.vocabulary.ids(tokens)[:cut] for tokens in token_lists]
        steps = np.array([len(row) for row in rows], dtype=np.int64)  # (rows,)
        longest_first = np.argsort(-steps, kind="stable")
        probabilities = np.empty((len(rows), CLASSES), dtype=np.float32)
        for start in range(0, len(rows), BLOCK):
            block = longest_first[start : start + BLOCK]
            ids = np.fromiter(chain.from_iterable(rows[n] for n in block), dtype=np.int64)
            probabilities[block] = self._predict_sorted(ids, steps[block])
        return probabilities

    def _predict_sorted(self, ids: Ints, steps: Ints) -> Floats:
        """Probabilities of the rows that stand in `ids` `(words,)` one behind the other.

        `steps` `(rows,)` has the words of each, and falls.
        """
        pool = _last if self.preset.pooling == "last" else _max_mean
        ends = np.cumsum(steps)
        shape = (len(steps), self.preset.units)
        pooled = [pool(self._forward.outputs(ids, ends - steps, 1, steps), shape, steps)]
        if self._backward is not None:
            pooled.append(pool(self._backward.outputs(ids, ends - 1, -1, steps), shape, steps))
        # Both directions' last outputs; or their maxima, then their means.
        features = np.concatenate(
            [part for parts in zip(*pooled, strict=True) for part in parts], axis=1
        )
        padding = np.zeros((_tiled(len(steps)) - len(steps), features.shape[1]), dtype=np.float32)
        logits = _product(np.concatenate([features, padding]), self._kernel)[: len(steps)]
        logits += self._bias  # (rows, classes)
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = exp / exp.sum(axis=1, keepdims=True)
        return probabilities


class _Direction:
    """One LSTM; the formulas are those of `layer.py`."""

    def __init__(self, bundle: Bundle, name: str) -> None:
        w, self.u, b = (
            np.concatenate([bundle.weights[f"{name}/{kind}{gate}"] for gate in "fioc"], axis=-1)
            for kind in "wub"
        )  # (input, 4*units), (units, 4*units), (4*units,)
        self.table = bundle.weights["embedding/embeddings"] @ w + b  # (words, 4*units)

    def outputs(self, ids: Ints, first: Ints, stride: int, steps: Ints) -> Iterator[Floats]:
        """For each step, the outputs `(alive, units)` of the rows that still have a word there.

        A row reads `ids` from its place in `first` `(rows,)` on, by `stride` (1 or -1), as often
        as `steps` `(rows,)` says; `steps` falls. An output is valid until the next one.
        """
        units = len(self.u)
        h = np.zeros((_tiled(len(steps)), units), dtype=np.float32)
        c = np.zeros((len(steps), units), dtype=np.float32)
        for t in range(int(steps.max(initial=0))):
            alive = int(np.count_nonzero(steps > t))
            words = ids[first[:alive] + stride * t]  # (alive,)
            z = self.table[words]  # (alive, 4*units)
            z += _product(h[: _tiled(alive)], self.u)[:alive]
            f, i, o = np.split(_sigmoid(z[:, : 3 * units]), 3, axis=1)  # (alive, units) each
            g = np.tanh(z[:, 3 * units :])  # (alive, units)
            c[:alive] = f * c[:alive] + i * g
            h[:alive] = o * np.tanh(c[:alive])
            yield h[:alive]


def _tiled(rows: int) -> int:
    """`rows`, rounded up to whole tiles."""
    return -(-rows // TILE) * TILE


def _product(a: Floats, b: Floats) -> Floats:
    """`a @ b` for `a` `(tiles * TILE, n)` and `b` `(n, m)`, one product a tile."""
    tiles = a.reshape(-1, TILE, a.shape[1]) @ b  # (tiles, TILE, m)
    return tiles.reshape(len(a), -1)


def _sigmoid(z: Floats) -> Floats:
    half = np.float32(0.5)
    sigmoid: Floats = half + half * np.tanh(half * z)  # exp would overflow far from 0
    return sigmoid


def _last(outputs: Iterator[Floats], shape: tuple[int, int], steps: Ints) -> list[Floats]:
    """The last output of each row: one array of `shape` `(rows, units)`."""
    last = np.zeros(shape, dtype=np.float32)
    for h in outputs:
        last[: len(h)] = h
    return [last]


def _max_mean(outputs: Iterator[Floats], shape: tuple[int, int], steps: Ints) -> list[Floats]:
    """Maximum and mean of each row's outputs: two arrays of `shape` `(rows, units)`."""
    maximum = np.full(shape, -np.inf, dtype=np.float32)
    total = np.zeros(shape, dtype=np.float32)
    for h in outputs:
        np.maximum(maximum[: len(h)], h, out=maximum[: len(h)])
        total[: len(h)] += h
    maximum[steps == 0] = 0
    return [maximum, total / np.maximum(steps, 1).astype(np.float32)[:, None]]
