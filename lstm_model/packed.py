"""`PackedScorer`: the classifier in NumPy, without a step spent on padding.

The Keras model multiplies every word's vector with the input weights, and steps every row to the
length of the longest. Here
- the input projection is folded into the embedding once (see `folding`), and the table is mapped
  from the bundle's file: processes that score with one model share it. Where it would be too large,
  it is made of the words at hand alone, each of them once;
- rows are sorted by length, the longest first, so that those still alive at a step are the first
  ones, and only they are stepped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_model.bundle import Bundle, read_bundle, read_table
from lstm_model.folding import TILE, fold, project, side_by_side, tiled
from lstm_model.presets import CLASSES, EMBEDDINGS, Reader, readers, views
from lstm_model.views import TokenLists, View, ids_of
from lstm_model.vocabulary import Vocabulary

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 1024  # rows worked on together: their state stays in the processor's cache
GROUP = 8 * BLOCK  # rows whose words are looked up together


class PackedScorer:
    """Probabilities of the classes, from a bundle, equal to those of the Keras model within 1e-5.

    A row gets the same bits from run to run, and whatever its place and its neighbours are (where
    NumPy's BLAS is not OpenBLAS on x86-64: the same within rounding). Threads may share a scorer.

    Attributes:
        preset: what the classifier was trained with.
        vocabularies: of each view, the words first.
        calibration: how probabilities and labels come from the logits.
    """

    def __init__(self, bundle: Bundle, table: Floats | None = None) -> None:
        """Prepare to score with `bundle`; `load` does so from a directory.

        `table` is what `fold` makes of the bundle, if it is there already.
        """
        self.preset = bundle.preset
        self.vocabularies = bundle.vocabularies
        self.calibration = bundle.calibration
        if table is None:
            table = fold(bundle.preset, bundle.weights)
        self._views = [_View(bundle, view, table) for view in views(bundle.preset)]

    @classmethod
    def load(cls, bundle_dir: Path) -> PackedScorer:
        """Read a bundle and prepare to score with it.

        Raises:
            BundleError: the bundle is missing, damaged or not one of ours.
        """
        bundle = read_bundle(Path(bundle_dir))
        return cls(bundle, read_table(Path(bundle_dir), bundle))

    @property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        return self.vocabularies[0]

    def predict(self, token_lists: TokenLists, contents: TokenLists | None = None) -> Floats:
        """Probabilities `(rows, 3)`, float32, in the order of `token_lists`.

        A row without words gets what the Keras model gives for padding alone: an LSTM that has
        read nothing shows zeros, which leaves the softmax of the last layers' biases.

        Args:
            token_lists: the words of each title.
            contents: those of each article, where the preset reads them: of so many characters of
                its beginning as it says; an empty list for a title without one.

        Raises:
            ValueError: there are contents for a preset that reads none, or none for one that does.
        """
        return self.predict_ids(self.ids(token_lists, contents))

    def ids(
        self, token_lists: TokenLists, contents: TokenLists | None = None
    ) -> list[tuple[Ints, Ints]]:
        """What `predict_ids` wants of what `predict` is given."""
        return ids_of(views(self.preset), self.vocabularies, token_lists, contents)

    def predict_ids(self, ids: Sequence[tuple[Ints, Ints]]) -> Floats:
        """What `predict` gives, of what `ids` gave: for each view, two arrays.

        The ids of the words of all rows, shape (words,), and how many each row has, shape (rows,).
        """
        logits = [view.logits(*one) for view, one in zip(self._views, ids, strict=True)]
        readers = sum(len(view.readers) for view in self._views)
        return self.calibration.probabilities(sum(logits[1:], logits[0]) / np.float32(readers))

    def labels(self, probabilities: Floats) -> NDArray[np.int8]:
        """The label of each row of what `predict` gave: see `Calibration.labels`."""
        return self.calibration.labels(probabilities)


class _View:
    """All that reads one view."""

    def __init__(self, bundle: Bundle, view: View, table: Floats | None) -> None:
        """Prepare with the folded table, if there is one."""
        self.padded_length = bundle.preset.padded_length
        # Where there is no table, parts of it are made of these vectors.
        self.embedding = bundle.weights[f"{EMBEDDINGS[view]}/embeddings"] if table is None else None
        tables = iter([] if table is None else table)
        self.readers = [
            _Reader(bundle, names, tables) for names in readers(bundle.preset) if names.view == view
        ]

    def logits(self, ids: Ints, steps: Ints) -> Floats:
        """Sum of the readers' logits `(rows, classes)`; see `PackedScorer.predict_ids`."""
        starts = np.cumsum(steps) - steps
        if self.padded_length:  # None: rows are never cut
            steps = np.minimum(steps, self.padded_length)
        longest_first = np.argsort(-steps, kind="stable")
        logits = np.empty((len(steps), CLASSES), dtype=np.float32)
        for start in range(0, len(steps), GROUP):
            group = longest_first[start : start + GROUP]
            logits[group] = self._logits(ids, starts[group], steps[group])
        return logits

    def _logits(self, ids: Ints, starts: Ints, steps: Ints) -> Floats:
        """Those of rows that begin in `ids` `(words,)` at `starts` `(rows,)`.

        `steps` `(rows,)` has the words of each, and falls.
        """
        vectors = None
        if self.embedding is not None:
            ends = np.cumsum(steps)
            places = np.arange(steps.sum()) + np.repeat(starts - ends + steps, steps)
            words, ids = np.unique(ids[places], return_inverse=True)
            starts, vectors = ends - steps, self.embedding[words]
        logits = [reader.logits(ids, starts, steps, vectors) for reader in self.readers]
        total: Floats = sum(logits[1:], logits[0])
        return total


class _Reader:
    """One reader of the classifier: one LSTM or two, and a last layer."""

    def __init__(self, bundle: Bundle, names: Reader, tables: Iterator[Floats]) -> None:
        """Take from `tables` those of its LSTMs, if there are any left."""
        self.lstms = [_LSTM(bundle, name, next(tables, None)) for name in names.lstms]
        self.kernel = bundle.weights[f"{names.dense}/kernel"]  # (features, classes)
        self.bias = bundle.weights[f"{names.dense}/bias"]  # (classes,)

    def logits(self, ids: Ints, starts: Ints, steps: Ints, vectors: Floats | None) -> Floats:
        """Logits `(rows, classes)`; see `_View._logits`.

        Args:
            vectors: of the words that `ids` are of, `(n, embedding_size)`, where no table is folded
                of all words.
        """
        first, stride = starts, 1
        pooled = []
        for lstm in self.lstms:
            pooled.append(lstm.pooled(ids, first, stride, steps, vectors))
            first, stride = starts + steps - 1, -1  # the second one, if any, reads backwards
        # Both directions' last outputs; or their maxima, then their means.
        features = np.concatenate(
            [part for parts in zip(*pooled, strict=True) for part in parts], 1
        )
        return project(features, self.kernel, self.bias)


class _LSTM:
    """One direction; the formulas are those of `layer.py`, the gates in the order f, i, o, c."""

    def __init__(self, bundle: Bundle, name: str, table: Floats | None) -> None:
        self.table = table  # gate inputs (words, 4*units), or none
        self.w = side_by_side(bundle.weights, name, "w")  # (embedding_size, 4*units)
        self.u = side_by_side(bundle.weights, name, "u")  # (units, 4*units)
        self.b = side_by_side(bundle.weights, name, "b")  # (4*units,)
        self.pool = _last if bundle.preset.pooling == "last" else _max_mean

    def pooled(
        self, ids: Ints, first: Ints, stride: int, steps: Ints, vectors: Floats | None
    ) -> list[Floats]:
        """What the pooling makes of the outputs: arrays `(rows, units)`; see `_outputs`."""
        table = self.table if vectors is None else project(vectors, self.w, self.b)
        assert table is not None
        blocks = []
        for start in range(0, len(steps), BLOCK):
            block = slice(start, start + BLOCK)
            outputs = self._outputs(table, ids, first[block], stride, steps[block])
            shape = (len(steps[block]), len(self.u))
            blocks.append(self.pool(outputs, shape, steps[block]))
        return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]

    def _outputs(
        self, table: Floats, ids: Ints, first: Ints, stride: int, steps: Ints
    ) -> Iterator[Floats]:
        """For each step, the outputs `(alive, units)` of the rows that still have a word there.

        `table` has the gate inputs of the word of each id. A row reads `ids` from its place in
        `first` `(rows,)` on, by `stride` (1 or -1), as often as `steps` `(rows,)` says; `steps`
        falls. An output is valid until the next one.
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
            # The ids are the vocabulary's own; `clip` spares a copy that `raise` makes.
            table.take(ids[first[n] + stride * t], axis=0, out=x[n], mode="clip")
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
