"""Tells whether a headline says nearly the same as one that was there before."""

from headlines.readers.titles import normalised

# Of the pairs of neighbouring characters of both titles, the share that they have in common.
MIN_RESEMBLANCE = 0.5


class NearDuplicates:
    """Titles of which no two resemble each other (Broder 1997, "resemblance and containment")."""

    def __init__(self) -> None:
        self._titles: list[frozenset[str]] = []

    def add(self, title: str) -> bool:
        """Add a title unless it resembles an earlier one; return whether it was added."""
        pairs = _character_pairs(title)
        if any(_resemble(pairs, other) for other in self._titles):
            return False
        self._titles.append(pairs)
        return True


def _character_pairs(title: str) -> frozenset[str]:
    text = normalised(title).casefold()
    return frozenset(text[start : start + 2] for start in range(max(1, len(text) - 1)))


def _resemble(pairs: frozenset[str], others: frozenset[str]) -> bool:
    common = len(pairs & others)
    return common >= MIN_RESEMBLANCE * (len(pairs) + len(others) - common)
