"""`Vocabulary`: the ids of words, and the text rules that turn tokens into words."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lstm_model.joined_tokens import JoinedTokens, consist_of, lengths_of
from lstm_model.normal_forms import normalised_text, read_forms
from lstm_model.packed_table import PackedTable

Rules = Literal["verbatim", "text_vectorization", "normalised"]
PADDING, UNKNOWN = 0, 1
# In place of an id: the token becomes no word, or several, or is not in the table.
_NO_WORD, _WORDS, _OTHER = -1, -2, -3
RESERVED = ("", "[UNK]")  # the words of ids 0 and 1, as Keras `TextVectorization` writes them
FILE_FORMAT = "lstm_model.vocabulary/1"

# Keras lowers only ASCII letters (`tf.strings.lower`) and splits at the whitespace of C, so the
# ideographic space U+3000 is a word: `str.lower` and `str.split` differ.
_LOWER_AND_STRIP = str.maketrans(string.ascii_uppercase, string.ascii_lowercase, string.punctuation)
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")
# jieba keeps these together with digits and letters, but not their full-width forms.
_PERCENT_OR_PLUS = re.compile(r"([%+])")


def _verbatim(tokens: Iterable[str]) -> list[str]:
    return [token for token in tokens if token.strip()]


def _text_vectorization(tokens: Iterable[str]) -> list[str]:
    text = " ".join(tokens).translate(_LOWER_AND_STRIP)
    return [word for word in _WHITESPACE.split(text) if word]


def normalised_words(tokens: Iterable[str]) -> list[str]:
    """The words that the rules `normalised` leave of a row's tokens."""
    return [
        word
        for token in tokens
        for word in _PERCENT_OR_PLUS.split(normalised_text(token))
        if word.strip()
    ]


_RULES: dict[str, Callable[[Iterable[str]], list[str]]] = {
    "verbatim": _verbatim,
    "text_vectorization": _text_vectorization,
    "normalised": normalised_words,
}


@cache
def _kept_characters(rules: Rules) -> NDArray[np.bool_]:
    """The code points of which a token may consist so that the text rules leave it as it is."""
    codes = np.arange(0x110000)
    if rules == "text_vectorization":
        return codes > 0x7F
    kept = read_forms() == codes if rules == "normalised" else np.ones(len(codes), bool)
    kept[[code for code in range(0x3001) if chr(code).isspace()]] = False  # all white space
    if rules == "normalised":
        kept[[0, *map(ord, "%+")]] = False
    return kept


class _IdOfToken(dict[str, int]):
    """A cache of the id of each token, or `_NO_WORD` or `_WORDS`.

    No text rule joins two tokens, so a row's ids are those of its tokens. Encoding spends its time
    on the rules, and most tokens come again.
    """

    MAX_TOKENS = 200_000  # in some 20 MB

    def __init__(self, find: Callable[[str], int]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, token: str) -> int:
        token_id = self._find(token)
        if len(self) < self.MAX_TOKENS:
            self[token] = token_id
        return token_id


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their ids; id 0 is padding and id 1 every unknown word.

    Rules:
        `verbatim`: tokens as they are; those of only whitespace are dropped.
        `text_vectorization`: the result of Keras `TextVectorization` for the tokens joined by
            spaces (`lower_and_strip_punctuation`, split at whitespace): ASCII letters in lower
            case, ASCII punctuation removed, and with it tokens of nothing else.
        `normalised`: see `normalised_text`; `%` and `+` are words of their own, and tokens of which
            only whitespace is left are dropped.

    Raises:
        ValueError: unknown rules, a duplicate word, or the first two words are not `RESERVED`.
    """

    words: tuple[str, ...]
    rules: Rules

    def __post_init__(self) -> None:
        if self.rules not in get_args(Rules):
            raise ValueError(f"text rules must be one of {get_args(Rules)}, not {self.rules!r}")
        if self.words[:2] != RESERVED:
            raise ValueError(f"a vocabulary starts with {RESERVED}, not with {self.words[:2]}")
        if len(set(self.words)) != len(self.words):
            duplicate = next(word for word, n in Counter(self.words).items() if n > 1)
            raise ValueError(f"the word {duplicate!r} is in the vocabulary more than once")

    @classmethod
    def build(
        cls, token_lists: Iterable[Sequence[str]], rules: Rules, min_count: int = 1
    ) -> Vocabulary:
        """The words that occur at least `min_count` times, the most frequent first.

        Words of equal count are in descending code point order, so that the ids are those of Keras
        `TextVectorization`.
        """
        if rules not in _RULES:
            raise ValueError(f"text rules must be one of {get_args(Rules)}, not {rules!r}")
        words_of = _RULES[rules]
        counts = Counter(word for tokens in token_lists for word in words_of(tokens))
        kept = [(n, word) for word, n in counts.items() if n >= min_count and word not in RESERVED]
        return cls((*RESERVED, *(word for _, word in sorted(kept, reverse=True))), rules)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _ids(self) -> tuple[PackedTable, dict[str, int]]:
        """The ids of the words of few characters that the text rules keep, and of all others."""
        words = self.words[len(RESERVED) :]
        packed = JoinedTokens.of([words]).packed
        words_of = _RULES[self.rules]
        is_kept = consist_of(packed, _kept_characters(self.rules))
        for row in np.flatnonzero(~is_kept & (packed != 0)).tolist():
            is_kept[row] = words_of((words[row],)) == [words[row]]
        kept, others = np.flatnonzero(is_kept), np.flatnonzero(~is_kept).tolist()
        table = PackedTable(packed[kept], kept + len(RESERVED), _OTHER)
        return table, {words[row]: row + len(RESERVED) for row in others}

    @cached_property
    def _id_of_token(self) -> _IdOfToken:
        return _IdOfToken(self._find_id)

    def _find_id(self, token: str) -> int:
        """The id of a token that the table lacks; see `_IdOfToken`."""
        words = _RULES[self.rules]((token,))
        if len(words) != 1:
            return _WORDS if words else _NO_WORD
        if words == [token]:
            return self._ids[1].get(token, UNKNOWN)
        return self._ids_of_words(words)[0]

    def _ids_of_words(self, words: Sequence[str]) -> list[int]:
        """The ids of words that the text rules gave."""
        table, others = self._ids
        ids = table.get(JoinedTokens.of([words]).packed).tolist()
        return [
            others.get(word, UNKNOWN) if word_id == _OTHER else word_id
            for word, word_id in zip(words, ids, strict=True)
        ]

    def ids(
        self, token_lists: Sequence[Sequence[str]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids of all rows, concatenated `(words,)`, and how many each has `(rows,)`.

        A row has one for each word that the text rules leave of it.

        Raises:
            TypeError: a row is a string, whose characters would pass for tokens.
        """
        tokens = JoinedTokens.of(token_lists)
        ids = self._ids[0].get(tokens.packed)
        others = np.flatnonzero(ids == _OTHER)
        is_unknown = consist_of(tokens.packed[others], _kept_characters(self.rules))
        ids[others[is_unknown]] = UNKNOWN
        others = others[~is_unknown]
        id_of_token = self._id_of_token
        ids[others] = [id_of_token[token] for token in tokens.tokens_at(others)]
        counts = (ids != _NO_WORD).astype(np.int64)  # words of each token
        several = np.flatnonzero(ids == _WORDS)
        if len(several):
            words = [_RULES[self.rules]((token,)) for token in tokens.tokens_at(several)]
            counts[several] = lengths_of(words)
            ids = np.repeat(ids, counts)
            ids[ids == _WORDS] = self._ids_of_words(list(chain.from_iterable(words)))
        else:
            ids = ids[ids != _NO_WORD]
        words_before = np.concatenate([[0], np.cumsum(counts)])
        return ids, np.diff(words_before[np.cumsum(tokens.counts)], prepend=0)

    def encode(
        self, token_lists: Sequence[Sequence[str]], padded_length: int | None = None
    ) -> NDArray[np.int32]:
        """Ids `(rows, length)`, int32, padded on the right with 0.

        `length` is `padded_length`, and longer rows are cut there; or that of the longest row where
        it is None (at least 1, so that a batch of empty rows has a step).
        """
        ids, lengths = self.ids(token_lists)
        starts = np.cumsum(lengths) - lengths
        length = padded_length or max(1, int(lengths.max(initial=0)))
        encoded = np.full((len(lengths), length), PADDING, dtype=np.int32)
        for row, start, words in zip(encoded, starts, np.minimum(lengths, length), strict=True):
            row[:words] = ids[start : start + words]
        return encoded

    def save(self, path: Path) -> None:
        """Write one JSON object: `format`, `rules`, and `words` in the order of their ids."""
        data = {"format": FILE_FORMAT, "rules": self.rules, "words": self.words}
        path.write_text(json.dumps(data, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not a vocabulary of this format; the message names the file.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if (
                not isinstance(data, dict)
                or data.get("format") != FILE_FORMAT
                or "rules" not in data
            ):
                raise ValueError(f"the format is not {FILE_FORMAT!r}")
            words = data.get("words")
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise ValueError("`words` is not a list of strings")
            return cls(tuple(words), data["rules"])
        except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors too
            raise ValueError(f"{path} is not a vocabulary: {error}") from error
