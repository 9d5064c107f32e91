"""`Lac`: the words of jieba's paddle mode and their parts of speech, in NumPy.

The network (Jiao, Sun and Sun, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018)
reads a text character by character: two bidirectional layers of gated recurrent units (Cho et al.,
"Learning Phrase Representations using RNN Encoder-Decoder", 2014) give each character a score for
each tag, and a conditional random field finds the best way through all tags. Texts are sorted by
length, the longest first, so that the rows still active at a step come first, and only they are
computed; both directions are computed together.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headlines.segmentation.lac_weights import LAYERS, LacModel, lac_directory, read_lac
from lstm_model.row_stable import TILE, round_up_to_tile, row_stable_affine

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

WHITESPACE = "x"  # tag of white space around a text; the network has no such tag
CHUNK_ROWS, CHUNK_CHARS = 256, 2**14  # limits of a chunk; a longer text is a chunk by itself
AFFINE_ROWS = 1024  # rows multiplied together: their products stay in the processor's cache


class Lac:
    """Cuts and tags as `jieba.posseg.cut(text, use_paddle=True)` of jieba 0.42.1 does.

    Unlike jieba, the joined words of a text are the text:
    - a character unknown to the network is kept (jieba prints a space);
    - white space around a text, which jieba drops, is a word of its own, tagged `x`. A text of
      white space only, on which Paddle ends the process, is one such word. Within a text, spaces
      and line breaks are characters like any other.

    The words of a text do not depend on the other texts (where NumPy's BLAS is not OpenBLAS on
    x86-64, scores are the same within rounding). Threads may share an instance. Memory grows by
    about 5 KB for each character of the longest text.

    Attributes:
        fingerprint: SHA-256 (hexadecimal) of the files of the model.
    """

    def __init__(self, model: LacModel) -> None:
        self.fingerprint = model.digest
        self._ids, self._unknown = model.characters, model.unknown
        self._embedding = model.weights["word_emb"]  # (characters, embedding)
        self._layers = [_BiGru(model, layer) for layer in range(LAYERS)]
        self._kernel = model.weights[f"fc_{2 * LAYERS}.w_0"]  # (2*units, tags)
        self._bias = model.weights[f"fc_{2 * LAYERS}.b_0"]  # (tags,)
        self._transitions = model.weights["crfw"]  # (2 + tags, tags)
        self._speech = [tag.split("-")[0] for tag in model.tags]
        self._begins = np.array([tag.endswith("-B") for tag in model.tags])  # (tags,)
        self._outside = np.array([tag == "O" for tag in model.tags])  # (tags,)

    @classmethod
    def load(cls, directory: Path | None = None) -> "Lac":
        """Load a model from a directory laid out as `jieba/lac_small`; by default, jieba's own.

        Raises:
            InputError: jieba is not installed, or a file is missing, damaged or invalid.
        """
        return cls(read_lac(lac_directory() if directory is None else Path(directory)))

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text.

        Raises:
            TypeError: `texts` is a string, whose characters would each be taken for a text.
        """
        return [[word for word, _ in words] for words in self.tag(texts)]

    def tag(self, texts: Sequence[str]) -> list[list[tuple[str, str]]]:
        """The words of each text with their parts of speech: jieba's, and `x` for white space.

        Raises:
            TypeError: `texts` is a string, whose characters would each be taken for a text.
        """
        if isinstance(texts, str):
            raise TypeError("a list of texts is needed, not one text")
        cores = [text.strip() for text in texts]
        tagged: list[list[tuple[str, str]]] = [[] for _ in texts]
        for rows in _chunks([len(core) for core in cores]):
            for n, words in zip(rows, self._tagged([cores[n] for n in rows]), strict=True):
                tagged[n] = words
        for text, core, words in zip(texts, cores, tagged, strict=True):
            before, _, after = text.partition(core) if core else (text, "", "")
            words[:0] = [(before, WHITESPACE)] if before else []
            words += [(after, WHITESPACE)] if after else []
        return tagged

    def _tagged(self, texts: list[str]) -> Iterator[list[tuple[str, str]]]:
        """The tagged words of texts that are not empty and sorted, the longest first."""
        steps = np.array([len(text) for text in texts])  # (rows,)
        ids = [self._ids.get(character, self._unknown) for character in chain.from_iterable(texts)]
        tags = best_path(self._scores(np.array(ids), steps), self._transitions, steps)
        ends = np.cumsum(steps)
        starts = ends - steps
        # A tag -I continues the previous word, whatever its tag, and so does O after O.
        outside = self._outside[tags]
        begins = self._begins[tags]
        begins[1:] |= outside[1:] & ~outside[:-1]
        begins[starts] = True
        for text, start, end in zip(texts, starts.tolist(), ends.tolist(), strict=True):
            firsts = np.flatnonzero(begins[start:end])
            speech = [self._speech[tag] for tag in tags[start + firsts].tolist()]
            bounds = [*firsts.tolist(), len(text)]
            yield [
                (text[first:last], tag)
                for first, last, tag in zip(bounds[:-1], bounds[1:], speech, strict=True)
            ]

    def _scores(self, ids: Ints, steps: Ints) -> Floats:
        """The scores of each tag `(characters, tags)` for concatenated texts.

        `ids` `(characters,)` are the characters of all texts; `steps` `(rows,)` are the lengths of
        the texts in descending order.
        """
        # The first layer's gate inputs are computed once for each distinct character,
        distinct, indices = np.unique(ids, return_inverse=True)
        features = self._embedding[distinct]
        for layer in self._layers:
            features = layer.outputs(layer.gate_inputs(features), indices, steps)
            indices = np.arange(len(ids))  # the next layer's for each position
        return row_stable_affine(features, self._kernel, self._bias)


class _BiGru:
    """A bidirectional layer of gated recurrent units.

    Paddle's variant, `origin_mode=False`: the update gate weighs the candidate, not the old state,
        u, r = sigmoid(x W + h U);  c = tanh(x W' + (r * h) U');  h = (1 - u) * h + u * c
    sigmoid(z) = 1/2 + 1/2 tanh(z/2), so the weights of the gates are halved here, once.
    """

    def __init__(self, model: LacModel, layer: int) -> None:
        weights, pair = model.weights, (2 * layer, 2 * layer + 1)
        units = len(weights["gru_0.w_0"])
        halves = np.ones(3 * units, dtype=np.float32)
        halves[: 2 * units] = 0.5
        self.w = [weights[f"fc_{n}.w_0"] * halves for n in pair]  # (features, 3*units) each
        self.b = [(weights[f"fc_{n}.b_0"] + weights[f"gru_{n}.b_0"][0]) * halves for n in pair]
        # A file has the update and reset gates `(units, 2*units)`, then the candidate.
        flat = np.stack([weights[f"gru_{n}.w_0"].ravel() for n in pair])
        gates, candidate = np.split(flat, [2 * units * units], axis=1)
        self.u_gates = gates.reshape(2, 1, units, 2 * units) * np.float32(0.5)
        self.u_candidate = candidate.reshape(2, 1, units, units)
        self.units = units

    def gate_inputs(self, features: Floats) -> Floats:
        """`x W + b` of both directions, `(2, m, 3*units)`, for `features` `(m, features)`."""
        table = np.empty((2, len(features), 3 * self.units), dtype=np.float32)
        for start in range(0, len(features), AFFINE_ROWS):
            rows = slice(start, start + AFFINE_ROWS)
            for direction, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
                table[direction, rows] = row_stable_affine(features[rows], w, b)
        return table

    def outputs(self, gate_inputs: Floats, indices: Ints, steps: Ints) -> Floats:
        """Outputs `(characters, 2*units)`, the forward ones then the backward ones.

        `indices` `(characters,)` are the rows of `gate_inputs` for each character.
        """
        units, half = self.units, np.float32(0.5)
        height = round_up_to_tile(len(steps))  # all steps reuse arrays of this height
        h = np.zeros((2, height, units), dtype=np.float32)
        gates = np.empty((2, height, 2 * units), dtype=np.float32)
        candidate, reset_h = np.empty_like(h), np.zeros_like(h)
        x = np.empty((2, height, 3 * units), dtype=np.float32)
        h_tiles, gates_tiles, candidate_tiles, reset_h_tiles = (
            array.reshape(2, -1, TILE, array.shape[2]) for array in (h, gates, candidate, reset_h)
        )
        result = np.empty((len(indices), 2, units), dtype=np.float32)
        ends = np.cumsum(steps)
        for t, active in enumerate(active_rows(steps)):
            n, tiles = np.s_[:, :active], np.s_[:, : round_up_to_tile(active) // TILE]
            positions = (ends - steps)[:active] + t, ends[:active] - 1 - t
            for inputs, position, out in zip(gate_inputs, positions, x, strict=True):
                # "clip" avoids a copy
                inputs.take(indices[position], axis=0, out=out[:active], mode="clip")
            np.matmul(h_tiles[tiles], self.u_gates, out=gates_tiles[tiles])
            gates[n] += x[n][..., : 2 * units]
            np.tanh(gates[n], out=gates[n])
            gates[n] *= half
            gates[n] += half
            update, reset = gates[n][..., :units], gates[n][..., units:]
            np.multiply(reset, h[n], out=reset_h[n])
            np.matmul(reset_h_tiles[tiles], self.u_candidate, out=candidate_tiles[tiles])
            candidate[n] += x[n][..., 2 * units :]
            np.tanh(candidate[n], out=candidate[n])
            candidate[n] -= h[n]
            candidate[n] *= update
            h[n] += candidate[n]
            for direction, position in enumerate(positions):
                result[position, direction] = h[direction, :active]
        return result.reshape(len(indices), 2 * units)


def _chunks(lengths: list[int]) -> Iterator[list[int]]:
    """Chunks of the indices of the texts that are not empty, the longest first."""
    order = sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n])
    start = 0
    while start < len(order):
        end = start + min(CHUNK_ROWS, max(1, CHUNK_CHARS // lengths[order[start]]))
        yield order[start:end]
        start = end


def best_path(scores: Floats, transitions: Floats, steps: Ints) -> Ints:
    """The tags `(characters,)` of the best path through each text (Viterbi 1967).

    `scores` `(characters, tags)` are overwritten, each by the score of the best path to it.
    `transitions` `(2 + tags, tags)` are described in `lac_weights.weight_shapes`.
    """
    start, end, between = transitions[0], transitions[1], transitions[2:]
    backwards = np.ascontiguousarray(between.T)  # (to, from)
    ends, active_at = np.cumsum(steps), active_rows(steps)
    starts = ends - steps
    paths = np.empty((len(steps), *between.shape), dtype=np.float32)  # (rows, from, to)
    best = start + scores[starts]  # (rows, tags); a row that has ended keeps its last scores
    for t, active in enumerate(active_at):
        if t > 0:
            np.add(best[:active, :, None], between, out=paths[:active])
            np.max(paths[:active], axis=1, out=best[:active])
            best[:active] += scores[starts[:active] + t]
        scores[starts[:active] + t] = best[:active]
    tag = np.argmax(best + end, axis=1)  # (rows,)
    tags = np.empty(len(scores), dtype=np.int64)
    tags[ends - 1] = tag
    for t, active in enumerate(active_at[1:], start=1):
        # The best previous tag is computed again along the path instead of stored for all tags.
        position = ends[:active] - 1 - t
        tag[:active] = np.argmax(scores[position] + backwards[tag[:active]], axis=1)
        tags[position] = tag[:active]
    return tags


def active_rows(steps: Ints) -> list[int]:
    """For each step t, how many of the descending `steps` are longer than t."""
    active: list[int] = np.searchsorted(-steps, -np.arange(steps.max(initial=0))).tolist()
    return active
