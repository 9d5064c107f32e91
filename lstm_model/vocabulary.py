"""`Vocabulary`: which word has which id, and the text rules that make words of tokens."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Rules = Literal["verbatim", "text_vectorization"]
PADDING, UNKNOWN = 0, 1
RESERVED = ("", "[UNK]")  # the words of ids 0 and 1, as Keras `TextVectorization` writes them
FILE_FORMAT = "lstm_model.vocabulary/1"

# Keras lowers ASCII letters alone (`tf.strings.lower`) and splits at the whitespace of C, so that
# the ideographic space U+3000 is a word: `str.lower` and `str.split` would do otherwise.
_LOWER_AND_STRIP = str.maketrans(string.ascii_uppercase, string.ascii_lowercase, string.punctuation)
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")
_NO_ASCII = re.compile(r"[^\x00-\x7f]+")


def _verbatim(tokens: Iterable[str]) -> list[str]:
    return [token for token in tokens if token.strip()]


def _text_vectorization(tokens: Iterable[str]) -> list[str]:
    text = " ".join(tokens).translate(_LOWER_AND_STRIP)
    return [word for word in _WHITESPACE.split(text) if word]


_RULES: dict[str, Callable[[Iterable[str]], list[str]]] = {
    "verbatim": _verbatim,
    "text_vectorization": _text_vectorization,
}


class _IdsOfToken(dict[str, tuple[int, ...]]):
    """The ids that a token becomes, worked out when it is first asked for.

    No text rule joins two tokens, so a row's ids are those of its tokens; and applying the rules is
    what encoding spends its time on, while most tokens come again.
    """

    LIMIT = 200_000  # tokens remembered; those of many batches, in some 30 MB

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._words_of = _RULES[vocabulary.rules]
        self._id = {word: i for i, word in enumerate(vocabulary.words) if i > UNKNOWN}

    def __missing__(self, token: str) -> tuple[int, ...]:
        if _NO_ASCII.fullmatch(token) and token.strip():  # no rule changes such a token
            ids: tuple[int, ...] = (self._id.get(token, UNKNOWN),)
        else:
            ids = tuple(self._id.get(word, UNKNOWN) for word in self._words_of((token,)))
        if len(self) < self.LIMIT:
            self[token] = ids
        return ids


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their ids; id 0 is padding and id 1 every unknown word.

    Rules:
        `verbatim`: tokens as they were cut; those of whitespace alone are dropped.
        `text_vectorization`: what Keras `TextVectorization` makes of the tokens joined by spaces
            (`lower_and_strip_punctuation`, split at whitespace): ASCII letters in lower case, ASCII
            punctuation removed, so that a token of nothing else vanishes.

    Raises:
        ValueError: unknown rules, a word twice, or the first two words are not the reserved ones.
    """

    words: tuple[str, ...]
    rules: Rules

    def __post_init__(self) -> None:
        if self.rules not in get_args(Rules):
            raise ValueError(f"text rules must be one of {get_args(Rules)}, not {self.rules!r}")
        if self.words[:2] != RESERVED:
            raise ValueError(f"a vocabulary starts with {RESERVED}, not with {self.words[:2]}")
        if len(set(self.words)) != len(self.words):
            twice = next(word for word, n in Counter(self.words).items() if n > 1)
            raise ValueError(f"the word {twice!r} stands in the vocabulary more than once")

    @classmethod
    def build(
        cls, token_lists: Iterable[Sequence[str]], rules: Rules, min_count: int = 1
    ) -> Vocabulary:
        """The words that occur at least `min_count` times, the most frequent first.

        Words of equal count stand in falling code point order, as Keras `TextVectorization` has
        them: so the ids are the same as there.
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
    def _ids_of_token(self) -> _IdsOfToken:
        return _IdsOfToken(self)

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of one row, as many as the text rules leave words of it.

        Raises:
            TypeError: the row is a string, whose letters would pass for tokens.
        """
        if isinstance(tokens, str):
            raise TypeError(f"a row is a list of tokens, not a string: {tokens!r}")
        return list(chain.from_iterable(map(self._ids_of_token.__getitem__, tokens)))

    def encode(
        self, token_lists: Sequence[Sequence[str]], padded_length: int | None = None
    ) -> NDArray[np.int32]:
        """Ids `(rows, length)`, int32, padded on the right with 0.

        `length` is `padded_length`, rows longer than that being cut behind it, or that of the
        longest row where it is None (1 at least, so that a batch of empty rows has a step).
        """
        rows = [self.ids(tokens) for tokens in token_lists]
        length = padded_length or max([1, *map(len, rows)])
        encoded = np.full((len(rows), length), PADDING, dtype=np.int32)
        for encoded_row, row in zip(encoded, rows, strict=True):
            encoded_row[: len(row)] = row[:length]
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
            ValueError: it is no vocabulary of this format; the message names the file.
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
