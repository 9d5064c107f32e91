"""`Lac`: the words of jieba's paddle mode and their parts of speech, in NumPy alone.

The network (Jiao, Sun and Sun, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018)
reads a text character by character: two bidirectional layers of gated recurrent units (Cho et al.,
"Learning Phrase Representations using RNN Encoder-Decoder", 2014) give each character a score for
each tag, and a conditional random field finds the best way through all tags. Texts are sorted by
length, the longest first, so that those still alive at a step are the first ones, and only they are
stepped; both directions are stepped at once.
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

WHITESPACE = "x"  # the tag of what surrounds a text; the network has none of that name
ROWS, CHARACTERS = 256, 2**14  # worked on together, at most; but a longer text is never divided
PIECE = 1024  # rows projected together: their products stay in the processor's cache


class Lac:
    """Cuts and tags as `jieba.posseg.cut(text, use_paddle=True)` of jieba 0.42.1 does.

    It differs from jieba in this alone: joined, the words of a text are the text. So
    - a character that the network does not know stays (jieba prints a space for it);
    - whitespace around a text, which jieba drops before the network reads the text, is a word of
      its own on either side, tagged `x`; in a text of whitespace alone (Paddle ends the process on
      one) the only word. Within a text, spaces and line breaks are characters like any other.

    A text gets the same words whatever its neighbours are (where NumPy's BLAS is not OpenBLAS on
    x86-64: scores that are the same within rounding). Threads may share an instance. Memory grows
    by some 5 KB for each character of the longest text.

    Attributes:
        fingerprint: SHA-256 (hexadecimal) over the files of the model.
    """

    def __init__(self, model: LacModel) -> None:
        """Prepare to tag with `model`; `load` does so from a directory."""
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
        """Read the model in `directory`, laid out as `jieba/lac_small`; by default, jieba's own.

        Raises:
            InputError: jieba is not installed, or a file is missing, damaged or not what it
                should be.
        """
        return cls(read_lac(lac_directory() if directory is None else Path(directory)))

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text; joined, they are the text.

        Raises:
            TypeError: `texts` is one text, whose characters would each be taken for a text.
        """
        return [[word for word, _ in words] for words in self.tag(texts)]

    def tag(self, texts: Sequence[str]) -> list[list[tuple[str, str]]]:
        """The words of each text with their parts of speech: jieba's, and `x` for whitespace.

        Raises:
            TypeError: `texts` is one text, whose characters would each be taken for a text.
        """
        if isinstance(texts, str):
            raise TypeError("a list of texts is needed, not one text")
        cores = [text.strip() for text in texts]
        tagged: list[list[tuple[str, str]]] = [[] for _ in texts]
        for rows in _blocks([len(core) for core in cores]):
            for n, words in zip(rows, self._tagged([cores[n] for n in rows]), strict=True):
                tagged[n] = words
        for text, core, words in zip(texts, cores, tagged, strict=True):
            before, _, after = text.partition(core) if core else (text, "", "")
            words[:0] = [(before, WHITESPACE)] if before else []
            words += [(after, WHITESPACE)] if after else []
        return tagged

    def _tagged(self, texts: list[str]) -> Iterator[list[tuple[str, str]]]:
        """Words and parts of speech of texts that are not empty, the longest first."""
        steps = np.array([len(text) for text in texts])  # (rows,)
        ids = [self._ids.get(character, self._unknown) for character in chain.from_iterable(texts)]
        tags = best_path(self._scores(np.array(ids), steps), self._transitions, steps)
        ends = np.cumsum(steps)
        starts = ends - steps
        # A tag -I continues the word before it, whatever that is, and so does O after O.
        outside = self._outside[tags]
        begins = self._begins[tags]
        begins[1:] |= outside[1:] & ~outside[:-1]
        begins[starts] = True
        for text, start, end in zip(texts, starts.tolist(), ends.tolist(), strict=True):
            firsts = np.flatnonzero(begins[start:end])
            speech = [self._speech[tag] for tag in tags[start + firsts].tolist()]
            bounds = [*firsts.tolist(), len(text)]
            yield [
                (text[first:last], part)
                for first, last, part in zip(bounds[:-1], bounds[1:], speech, strict=True)
            ]

    def _scores(self, ids: Ints, steps: Ints) -> Floats:
        """Scores of the tags `(characters, tags)`, of texts that stand one behind the other.

        `ids` `(characters,)` are those of all texts; `steps` `(rows,)`, the length of each, falls.
        """
        # The first layer's gate inputs are made once for each character that occurs.
        distinct, words = np.unique(ids, return_inverse=True)
        features = self._embedding[distinct]
        for layer in self._layers:
            features = layer.outputs(layer.gate_inputs(features), words, steps)
            words = np.arange(len(ids))  # the next layer's are made once for each place
        return row_stable_affine(features, self._kernel, self._bias)


class _BiGru:
    """Gated recurrent units that read a text forwards, and others that read it backwards.

    Paddle's variant, `origin_mode=False`: the update gate weighs the candidate, not the old state,
        u, r = sigmoid(x W + h U);  c = tanh(x W' + (r * h) U');  h = (1 - u) * h + u * c
    sigmoid(z) = 1/2 + 1/2 tanh(z/2): weights of the gates are halved here once and for all.
    """

    def __init__(self, model: LacModel, layer: int) -> None:
        weights, pair = model.weights, (2 * layer, 2 * layer + 1)
        units = len(weights["gru_0.w_0"])
        halves = np.ones(3 * units, dtype=np.float32)
        halves[: 2 * units] = 0.5
        self.w = [weights[f"fc_{n}.w_0"] * halves for n in pair]  # (features, 3*units) each
        self.b = [(weights[f"fc_{n}.b_0"] + weights[f"gru_{n}.b_0"][0]) * halves for n in pair]
        # A file holds update and reset gate `(units, 2*units)`, and behind it the candidate.
        flat = np.stack([weights[f"gru_{n}.w_0"].ravel() for n in pair])
        gates, candidate = np.split(flat, [2 * units * units], axis=1)
        self.u_gates = gates.reshape(2, 1, units, 2 * units) * np.float32(0.5)
        self.u_candidate = candidate.reshape(2, 1, units, units)
        self.units = units

    def gate_inputs(self, features: Floats) -> Floats:
        """`x W + b` of both directions, `(2, m, 3*units)`, for `features` `(m, features)`."""
        table = np.empty((2, len(features), 3 * self.units), dtype=np.float32)
        for start in range(0, len(features), PIECE):
            piece = slice(start, start + PIECE)
            for direction, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
                table[direction, piece] = row_stable_affine(features[piece], w, b)
        return table

    def outputs(self, gate_inputs: Floats, words: Ints, steps: Ints) -> Floats:
        """Outputs `(characters, 2*units)`, forwards and backwards side by side.

        `words` `(characters,)` says which row of `gate_inputs` stands at each place.
        """
        units, half = self.units, np.float32(0.5)
        height = round_up_to_tile(len(steps))  # arrays of this height serve all steps
        h = np.zeros((2, height, units), dtype=np.float32)
        gates = np.empty((2, height, 2 * units), dtype=np.float32)
        candidate, kept = np.empty_like(h), np.zeros_like(h)
        x = np.empty((2, height, 3 * units), dtype=np.float32)
        h_tiles, gates_tiles, candidate_tiles, kept_tiles = (
            array.reshape(2, -1, TILE, array.shape[2]) for array in (h, gates, candidate, kept)
        )
        result = np.empty((len(words), 2, units), dtype=np.float32)
        ends = np.cumsum(steps)
        for t, alive in enumerate(active_rows(steps)):
            n, tiles = np.s_[:, :alive], np.s_[:, : round_up_to_tile(alive) // TILE]
            places = (ends - steps)[:alive] + t, ends[:alive] - 1 - t
            for rows, place, out in zip(gate_inputs, places, x, strict=True):
                rows.take(words[place], axis=0, out=out[:alive], mode="clip")  # spares a copy
            np.matmul(h_tiles[tiles], self.u_gates, out=gates_tiles[tiles])
            gates[n] += x[n][..., : 2 * units]
            np.tanh(gates[n], out=gates[n])
            gates[n] *= half
            gates[n] += half
            update, reset = gates[n][..., :units], gates[n][..., units:]
            np.multiply(reset, h[n], out=kept[n])
            np.matmul(kept_tiles[tiles], self.u_candidate, out=candidate_tiles[tiles])
            candidate[n] += x[n][..., 2 * units :]
            np.tanh(candidate[n], out=candidate[n])
            candidate[n] -= h[n]
            candidate[n] *= update
            h[n] += candidate[n]
            for direction, place in enumerate(places):
                result[place, direction] = h[direction, :alive]
        return result.reshape(len(words), 2 * units)


def _blocks(lengths: list[int]) -> Iterator[list[int]]:
    """The places of the texts that are not empty, in blocks; the longest texts come first."""
    order = sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n])
    start = 0
    while start < len(order):
        end = start + min(ROWS, max(1, CHARACTERS // lengths[order[start]]))
        yield order[start:end]
        start = end


def best_path(scores: Floats, transitions: Floats, steps: Ints) -> Ints:
    """The tags `(characters,)` of the best path through each text (Viterbi 1967).

    `scores` `(characters, tags)` are overwritten: each by that of the best path to it.
    `transitions` `(2 + tags, tags)` are those of `lac_files.weight_shapes`.
    """
    start, end, between = transitions[0], transitions[1], transitions[2:]
    backwards = np.ascontiguousarray(between.T)  # (to, from)
    ends, alive_at = np.cumsum(steps), active_rows(steps)
    starts = ends - steps
    ways = np.empty((len(steps), *between.shape), dtype=np.float32)  # (rows, from, to)
    best = start + scores[starts]  # (rows, tags); a row that has ended keeps its last ones
    for t, alive in enumerate(alive_at):
        if t > 0:
            np.add(best[:alive, :, None], between, out=ways[:alive])
            np.max(ways[:alive], axis=1, out=best[:alive])
            best[:alive] += scores[starts[:alive] + t]
        scores[starts[:alive] + t] = best[:alive]
    tag = np.argmax(best + end, axis=1)  # (rows,)
    tags = np.empty(len(scores), dtype=np.int64)
    tags[ends - 1] = tag
    for t, alive in enumerate(alive_at[1:], start=1):
        # Which way was best is found again where the path goes, and not kept for all tags.
        place = ends[:alive] - 1 - t
        tag[:alive] = np.argmax(scores[place] + backwards[tag[:alive]], axis=1)
        tags[place] = tag[:alive]
    return tags


def active_rows(steps: Ints) -> list[int]:
    """How many rows, the first ones, are longer than t, for each step t; `steps` falls."""
    alive: list[int] = np.searchsorted(-steps, -np.arange(steps.max(initial=0))).tolist()
    return alive
