"""`PackedScorer`: the classifier without TensorFlow, and without a step spent on padding.

The Keras model multiplies every word's vector with the input weights, and runs every row to the
length of the longest. Here
- the gate inputs of every word are computed once (see `gate_inputs`), and the table is mapped from
  the bundle's file: processes that score with one model share it. Where it would be too large, the
  gate inputs are computed for each word that the rows have, once;
- rows are sorted by length, the longest first, so that those with a word at a step are the first
  ones, and only they are stepped;
- products and steps are those of a compiled kernel, where there is one (see `kernel`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES, EMBEDDINGS, Branch, branches
from lstm_model.bundle import Bundle, read_bundle
from lstm_model.bundle_arrays import read_table
from lstm_model.bundle_files import file_sha256
from lstm_model.gate_inputs import precompute_gate_inputs, stack_gates
from lstm_model.inputs import InputName, TokenLists, input_ids
from lstm_model.kernel import FASTEST, KERNELS, Kernel
from lstm_model.linear import LinearPath
from lstm_model.numpy_kernel import Ints
from lstm_model.row_stable import Floats
from lstm_model.vocabulary import Vocabulary

LOOKUP_ROWS = 10_000  # whose words are looked up together: all that a worker scores at once


class PackedScorer:
    """Probabilities of the classes, from a bundle, equal to those of the Keras model within 1e-5.

    A row gets the same bits from run to run, whatever its position and the other rows are (by the
    kernel `numpy` where its BLAS is not OpenBLAS on x86-64: the same within rounding). By another
    kernel it gets the same within 1e-6. Threads may share a scorer.

    Attributes:
        kernel: a name in `kernel.KERNELS`.
        preset: the configuration of the classifier.
        vocabularies: of each of `Preset.text_rules`, the words first.
        calibration: from the logits to probabilities and labels.
    """

    def __init__(
        self, bundle: Bundle, table: Floats | None = None, *, kernel: str = FASTEST
    ) -> None:
        """Prepare to score with `bundle`; `load` does so from a directory.

        Args:
            bundle: the classifier.
            table: the result of `precompute_gate_inputs` for the bundle, if it is there already.
            kernel: a name in `kernel.KERNELS`.
        """
        self.kernel = kernel
        self.preset = bundle.preset
        self.vocabularies = bundle.vocabularies
        self.calibration = bundle.calibration
        if table is None:
            table = precompute_gate_inputs(bundle.preset, bundle.weights)
        self._inputs = [
            _Input(bundle, name, table, KERNELS[kernel]) for name in bundle.preset.input_names
        ]
        contents = bundle.preset.contents
        self._linear = None if contents is None else LinearPath(contents, bundle.weights)

    @classmethod
    def load(
        cls,
        bundle_dir: Path,
        digest: Callable[[Path], str] = file_sha256,
        *,
        kernel: str = FASTEST,
    ) -> PackedScorer:
        """Read a bundle and prepare to score with it.

        Args:
            bundle_dir: its directory.
            digest: as that of `read_bundle`.
            kernel: a name in `kernel.KERNELS`.

        Raises:
            BundleError: the bundle is missing, corrupt or not one of ours.
        """
        bundle = read_bundle(Path(bundle_dir), digest)
        table = read_table(Path(bundle_dir), bundle.preset, bundle.vocabulary_sizes)
        return cls(bundle, table, kernel=kernel)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        return self.vocabularies[0]

    def predict(self, token_lists: TokenLists, contents: TokenLists | None = None) -> Floats:
        """Probabilities `(rows, 3)`, float32, in the order of `token_lists`.

        A row without words gets the softmax of the last layers' biases, as from the Keras model.

        Args:
            token_lists: the words of each title.
            contents: those of the beginning of each article, where the preset reads them, of as
                many characters as it says; an empty list for a title without one.

        Raises:
            ValueError: articles are missing or superfluous, or not as many as titles.
        """
        return self.predict_ids(self.ids(token_lists, contents))

    def ids(
        self, token_lists: TokenLists, contents: TokenLists | None = None
    ) -> list[tuple[Ints, Ints]]:
        """The argument of `predict_ids` for the arguments of `predict`."""
        return input_ids([*self.preset.text_rules], self.vocabularies, token_lists, contents)

    def predict_ids(self, ids: Sequence[tuple[Ints, Ints]]) -> Floats:
        """Probabilities as from `predict`.

        Args:
            ids: for each vocabulary, the ids of the words of all rows, shape (words,), and how
                many each row has, shape (rows,).
        """
        branch_ids = ids[: len(self._inputs)]
        sums = [one.logits(*of_one) for one, of_one in zip(self._inputs, branch_ids, strict=True)]
        count = sum(len(one.branches) for one in self._inputs)
        logits = sum(sums[1:], sums[0]) / np.float32(count)
        if self._linear is not None:
            logits = self._linear.blended(logits, *ids[-1])
        return self.calibration.probabilities(logits)

    def labels(self, probabilities: Floats) -> NDArray[np.int8]:
        """The label of each row of the result of `predict`: see `Calibration.labels`."""
        return self.calibration.labels(probabilities)


class _Input:
    """All branches that read one input."""

    def __init__(
        self, bundle: Bundle, name: InputName, table: Floats | None, kernel: Kernel
    ) -> None:
        self.padded_length = bundle.preset.padded_length
        # Without a table, gate inputs are computed from these vectors.
        self.embedding = bundle.weights[f"{EMBEDDINGS[name]}/embeddings"] if table is None else None
        tables = iter([] if table is None else table)
        self.branches = [
            _Branch(bundle, branch, tables, kernel)
            for branch in branches(bundle.preset)
            if branch.input == name
        ]

    def logits(self, ids: Ints, steps: Ints) -> Floats:
        """Sum of the branches' logits `(rows, classes)`; see `PackedScorer.predict_ids`."""
        starts = np.cumsum(steps) - steps
        if self.padded_length:  # None: rows are never cut
            steps = np.minimum(steps, self.padded_length)
        longest_first = np.argsort(-steps, kind="stable")
        logits = np.empty((len(steps), CLASSES), dtype=np.float32)
        for start in range(0, len(steps), LOOKUP_ROWS):
            rows = longest_first[start : start + LOOKUP_ROWS]
            logits[rows] = self._logits(ids, starts[rows], steps[rows])
        return logits

    def _logits(self, ids: Ints, starts: Ints, steps: Ints) -> Floats:
        """Logits of rows that start in `ids` `(words,)` at `starts` `(rows,)`.

        `steps` `(rows,)` is the number of words of each, descending.
        """
        vectors = None
        if self.embedding is not None:
            ends = np.cumsum(steps)
            positions = np.arange(steps.sum()) + np.repeat(starts - ends + steps, steps)
            ids = ids[positions]
            occurs = np.zeros(len(self.embedding), dtype=bool)
            occurs[ids] = True
            ids = (np.cumsum(occurs) - 1)[ids]  # among the words that occur
            starts, vectors = ends - steps, self.embedding[occurs]
        logits = [branch.logits(ids, starts, steps, vectors) for branch in self.branches]
        total: Floats = sum(logits[1:], logits[0])
        return total


class _Branch:
    """One branch of the classifier: one LSTM or two, and a last layer."""

    def __init__(
        self, bundle: Bundle, branch: Branch, tables: Iterator[Floats], kernel: Kernel
    ) -> None:
        """`tables`: the gate inputs of this branch's LSTMs and those of the next ones, or none."""
        self.lstms = [_LSTM(bundle, name, next(tables, None), kernel) for name in branch.lstms]
        # Copies, or the whole file of weights would stay mapped.
        self.dense_kernel = bundle.weights[f"{branch.dense}/kernel"].copy()  # (features, classes)
        self.bias = bundle.weights[f"{branch.dense}/bias"].copy()  # (classes,)
        self.kernel = kernel

    def logits(self, ids: Ints, starts: Ints, steps: Ints, vectors: Floats | None) -> Floats:
        """Logits `(rows, classes)`; see `_Input._logits`.

        Args:
            vectors: `(n, embedding_size)` of the words that `ids` index, where there is no table.
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
        return self.kernel.affine(features, self.dense_kernel, self.bias)


class _LSTM:
    """One direction."""

    def __init__(self, bundle: Bundle, name: str, table: Floats | None, kernel: Kernel) -> None:
        self.table = table  # gate inputs (words, 4*units), or none
        self.w = stack_gates(bundle.weights, name, "w")  # (embedding_size, 4*units)
        self.u = stack_gates(bundle.weights, name, "u")  # (units, 4*units)
        self.b = stack_gates(bundle.weights, name, "b")  # (4*units,)
        self.pooling = bundle.preset.pooling
        self.kernel = kernel

    def pooled(
        self, ids: Ints, first: Ints, stride: int, steps: Ints, vectors: Floats | None
    ) -> Floats:
        """The pooled outputs; see `Kernel.pooled`."""
        table = self.table if vectors is None else self.kernel.affine(vectors, self.w, self.b)
        assert table is not None
        return self.kernel.pooled(table, self.u, ids, first, stride, steps, self.pooling)
