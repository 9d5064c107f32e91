"""`PackedScorer`: the classifier in NumPy, without a step spent on padding.

The Keras model multiplies every word's vector with the input weights, and steps every row to the
length of the longest. Here
- the input projection is folded into the embedding once (see `folding`), and the table is mapped
  from the bundle's file: processes that score with one model share it;
- rows are sorted by length, the longest first, so that those still alive at a step are the first
  ones, and only they are stepped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_model.bundle import Bundle, read_bundle, read_table
from lstm_model.folding import TILE, fold, project, side_by_side, tiled
from lstm_model.presets import CLASSES, directions

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 1024  # rows worked on together: their state stays in the processor's cache


class PackedScorer:
    """Probabilities of the classes, from a bundle, equal to those of the Keras model within 1e-5.

    A row gets the same bits from run to run, and whatever its place and its neighbours are (where
    NumPy's BLAS is not OpenBLAS on x86-64: the same within rounding). Threads may share a scorer.

    Attributes:
        preset: what the classifier was trained with.
        vocabulary: its words.
        calibration: how probabilities and labels come from the logits.
    """

    def __init__(self, bundle: Bundle, table: Floats | None = None) -> None:
        """Prepare to score with `bundle`; `load` does so from a directory.

        `table` is what `fold` makes of the bundle, if it is there already.
        """
        self.preset = bundle.preset
        self.vocabulary = bundle.vocabulary
        self.calibration = bundle.calibration
        if table is None:
            table = fold(bundle.preset, bundle.weights)
        self._lstms = [
            _LSTM(bundle, name, None if table is None else table[place])
            for place, name in enumerate(directions(bundle.preset))
        ]
        self._kernel = bundle.weights["dense/kernel"]  # (features, classes)
        self._bias = bundle.weights["dense/bias"]  # (classes,)

    @classmethod
    def load(cls, bundle_dir: Path) -> PackedScorer:
        """Read a bundle and prepare to score with it.

        Raises:
            BundleError: the bundle is missing, damaged or not one of ours.
        """
        bundle = read_bundle(Path(bundle_dir))
        return cls(bundle, read_table(Path(bundle_dir), bundle))

    def predict(self, token_lists: Sequence[Sequence[str]]) -> Floats:
        """Probabilities `(rows, 3)`, float32, in the order of `token_lists`.

        A row without words gets what the Keras model gives for padding alone: an LSTM that has
        read nothing shows zeros, which leaves the softmax of the last layer's bias.
        """
        return self.predict_ids(*self.vocabulary.ids(token_lists))

    def predict_ids(self, ids: Ints, steps: Ints) -> Floats:
        """What `predict` gives, of what `vocabulary.ids` gave.

        Args:
            ids: of the words of all rows, shape (words,).
            steps: how many of them each row has, shape (rows,).
        """
        starts = np.cumsum(steps) - steps
        if self.preset.padded_length:  # None: rows are never cut
            steps = np.minimum(steps, self.preset.padded_length)
        longest_first = np.argsort(-steps, kind="stable")
        logits = np.empty((len(steps), CLASSES), dtype=np.float32)
        for start in range(0, len(steps), BLOCK):
            block = longest_first[start : start + BLOCK]
            logits[block] = self._logits(ids, starts[block], steps[block])
        return self.calibration.probabilities(logits)

    def labels(self, probabilities: Floats) -> NDArray[np.int8]:
        """The label of each row of what `predict` gave: see `Calibration.labels`."""
        return self.calibration.labels(probabilities)

    def _logits(self, ids: Ints, starts: Ints, steps: Ints) -> Floats:
        """Logits of the rows that begin in `ids` `(words,)` at `starts` `(rows,)`.

        `steps` `(rows,)` has the words of each, and falls.
        """
        pool = _last if self.preset.pooling == "last" else _max_mean
        first, stride = starts, 1
        pooled = []
        for lstm in self._lstms:
            outputs = lstm.outputs(ids, first, stride, steps)
            pooled.append(pool(outputs, (len(steps), self.preset.units), steps))
            first, stride = starts + steps - 1, -1  # the second one, if any, reads backwards
        # Both directions' last outputs; or their maxima, then their means.
        features = np.concatenate(
            [part for parts in zip(*pooled, strict=True) for part in parts], axis=1
        )
        return project(features, self._kernel, self._bias)  # (rows, classes)


class _LSTM:
    """One direction; the formulas are those of `layer.py`, the gates in the order f, i, o, c."""

    def __init__(self, bundle: Bundle, name: str, table: Floats | None) -> None:
        self.u = side_by_side(bundle.weights, name, "u")  # (units, 4*units)
        self.gate_inputs: Callable[[Ints, Floats], object]  # of words (n,), into (n, 4*units)
        if table is not None:
            # The ids are the vocabulary's own; `clip` spares a copy that `raise` makes.
            self.gate_inputs = lambda words, out: table.take(words, axis=0, out=out, mode="clip")
        else:
            embedding = bundle.weights["embedding/embeddings"]
            w, b = side_by_side(bundle.weights, name, "w"), side_by_side(bundle.weights, name, "b")
            self.gate_inputs = lambda words, out: np.copyto(out, project(embedding[words], w, b))

    def outputs(self, ids: Ints, first: Ints, stride: int, steps: Ints) -> Iterator[Floats]:
        """For each step, the outputs `(alive, units)` of the rows that still have a word there.

        A row reads `ids` from its place in `first` `(rows,)` on, by `stride` (1 or -1), as often
        as `steps` `(rows,)` says; `steps` falls. An output is valid until the next one.
        """
        units, half = len(self.u), np.float32(0.5)
        rows = tiled(len(steps))  # arrays of this height serve all steps: none is made anew
        h = np.zeros((rows, units), dtype=np.float32)
        c = np.zeros((rows, units), dtype=np.float32)
        z = np.empty((rows, 4 * units), dtype=np.float32)
        x, new = np.empty_like(z), np.empty_like(c)
        h_tiles, z_tiles = h.reshape(-1, TILE, units), z.reshape(-1, TILE, 4 * units)
        f, i, o, g = np.split(z, 4, axis=1)  # (rows, units) each, views of z
        sigmoids = z[:, : 3 * units]
        longest = int(steps.max(initial=0))
        for t, alive in enumerate(np.searchsorted(-steps, -np.arange(longest)).tolist()):
            # `alive` rows have more than t steps; they are the first ones
            n, tiles = slice(alive), slice(tiled(alive) // TILE)
            np.matmul(h_tiles[tiles], self.u, out=z_tiles[tiles])
            self.gate_inputs(ids[first[n] + stride * t], x[n])
            z[n] += x[n]
            np.tanh(z[n], out=z[n])
            sigmoids[n] *= half
            sigmoids[n] += half
            np.multiply(i[n], g[n], out=new[n])
            c[n] *= f[n]
            c[n] += new[n]
            np.tanh(c[n], out=h[n])
            h[n] *= o[n]
            yield h[n]


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
