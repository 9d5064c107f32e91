"""`JoinedTokens`: the tokens of many rows in one list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True)
class JoinedTokens(Sequence[list[str]]):
    """The tokens of rows in one list: a list for each row takes time, and that of the collector.

    Attributes:
        tokens: those of all rows, with one more after each row that is in none.
        ends: the positions of these.
    """

    tokens: list[str]
    ends: list[int]

    @classmethod
    def of(cls, token_lists: Iterable[Sequence[str]]) -> JoinedTokens:
        """The same rows, joined."""
        tokens: list[str] = []
        ends: list[int] = []
        for row in token_lists:
            tokens += row
            ends.append(len(tokens))
            tokens.append("\n")
        return cls(tokens, ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, row: int) -> list[str]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[str]]: ...
    def __getitem__(self, row: int | slice) -> list[str] | list[list[str]]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        end = self.ends[row]
        row = range(len(self))[row]
        return self.tokens[self.ends[row - 1] + 1 if row else 0 : end]

    def __iter__(self) -> Iterator[list[str]]:
        start = 0
        for end in self.ends:
            yield self.tokens[start:end]
            start = end + 1
