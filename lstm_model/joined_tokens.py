"""`JoinedTokens`: the tokens of many rows as positions in one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Packed = NDArray[np.uint64]

_CHARACTERS = 3  # in one integer: their code points plus one, of 21 bits each
_SHIFTS = [np.uint64(21 * n) for n in range(_CHARACTERS)]
_MASKS = np.array([0, *((1 << 21 * n) - 1 for n in (1, 2, 3)), 0], np.uint64)  # by length


@dataclass(frozen=True, eq=False)
class JoinedTokens(Sequence[list[str]]):
    """The tokens of rows: a string for each takes time, so there is none until it is asked for.

    Attributes:
        text: has the tokens of each row one right after the other; between rows may be more.
        starts: the position of each token in the text, `(tokens,)`.
        lengths: its characters, `(tokens,)`.
        counts: tokens of each row, `(rows,)`.
    """

    text: str
    starts: Ints
    lengths: Ints
    counts: Ints

    @classmethod
    def of(cls, token_lists: Iterable[Sequence[str]]) -> JoinedTokens:
        """The same rows, joined.

        Raises:
            TypeError: a row is a string, whose characters would pass for tokens.
        """
        if isinstance(token_lists, JoinedTokens):
            return token_lists
        rows = list(token_lists)
        for row in rows:
            if isinstance(row, str):
                raise TypeError(f"a row is a list of tokens, not a string: {row!r}")
        tokens = list(chain.from_iterable(rows))
        lengths = lengths_of(tokens)
        return cls("".join(tokens), np.cumsum(lengths) - lengths, lengths, lengths_of(rows))

    def whole_rows(self) -> JoinedTokens:
        """The same rows, each as one token."""
        before = np.append(0, np.cumsum(self.lengths))  # characters before each token
        ends = np.cumsum(self.counts)
        firsts = ends - self.counts  # tokens
        starts = np.append(self.starts, 0)[firsts]
        ones = np.ones(len(self), np.int64)
        return JoinedTokens(self.text, starts, before[ends] - before[firsts], ones)

    def bigrams(self) -> JoinedTokens:
        """All pairs of adjacent characters of rows of one token each: n - 1 for n characters."""
        counts = np.maximum(self.lengths - 1, 0)
        starts = np.repeat(self.starts - np.cumsum(counts) + counts, counts)
        starts += np.arange(len(starts))
        return JoinedTokens(self.text, starts, np.full(len(starts), 2), counts)

    @cached_property
    def codes(self) -> NDArray[np.uint32]:
        """The code points of the text."""
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))

    @cached_property
    def packed(self) -> Packed:
        """Each token as an integer above 0, `(tokens,)`; 0 where it is too long or empty.

        No two tokens have the same integer.
        """
        codes = np.zeros(len(self.codes) + _CHARACTERS, np.uint64)
        np.add(self.codes, 1, out=codes[:-_CHARACTERS], dtype=np.uint64)
        packed = codes[:-2] | codes[1:-1] << _SHIFTS[1] | codes[2:] << _SHIFTS[2]
        masks = _MASKS[np.minimum(self.lengths, _CHARACTERS + 1)]
        tokens: Packed = packed[self.starts] & masks
        return tokens

    def tokens_at(self, positions: Ints | slice) -> list[str]:
        """Some tokens, by their positions."""
        starts = self.starts[positions]
        ends = (starts + self.lengths[positions]).tolist()
        text = self.text
        return [text[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, row: int) -> list[str]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[str]]: ...
    def __getitem__(self, row: int | slice) -> list[str] | list[list[str]]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        end = int(self.counts[: row + 1].sum())
        return self.tokens_at(slice(end - int(self.counts[row]), end))

    def __iter__(self) -> Iterator[list[str]]:
        tokens = self.tokens_at(slice(None))
        ends = np.cumsum(self.counts).tolist()
        for first, end in pairwise([0, *ends]):
            yield tokens[first:end]


def lengths_of(items: Sequence[Sequence[str]]) -> Ints:
    """The length of each item, `(items,)`."""
    return np.fromiter(map(len, items), np.int64, len(items))


def consist_of(packed: Packed, characters: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether packed tokens consist of characters that have True in a table of all code points."""
    result: NDArray[np.bool_] = packed != 0
    for shift in _SHIFTS:
        code = (packed >> shift & _MASKS[1]).astype(np.int64)
        result &= (code == 0) | characters[code - 1]
    return result
