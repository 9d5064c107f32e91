"""The days in the names of batches."""

import re
from dataclasses import dataclass
from datetime import date

from headlines.errors import InputError

_PATTERNS = (
    # 2026-11-20, 20261120, 202611202330, 2026_11_20, date=2026-11-20/, and as folders 2026/11/20/
    re.compile(
        r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_./]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
        r"(?=\d{4}(?:\d\d)?(?!\d)|(?!\d))"  # hours and minutes may follow
    ),
    re.compile(r"(?<!\w)year=(?P<year>\d{4})/month=(?P<month>\d\d?)/day=(?P<day>\d\d?)(?!\d)"),
)


def dates_in(name: str) -> list[date]:
    """All days in the name of a batch, with its folders."""
    days = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(name):
            try:
                days.append(date(int(match["year"]), int(match["month"]), int(match["day"])))
            except ValueError:  # 20269999 is any number
                continue
    return days


@dataclass(frozen=True)
class DayRange:
    """The days from a first to a last one, both included; either end may be open.

    Raises:
        InputError: the last is before the first.
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first and self.last and self.last < self.first:
            raise InputError(
                f"the last day, {self.last}, is before the first, {self.first}",
                "--from, --to",
                "swap them",
            )

    @property
    def are_all(self) -> bool:
        """Whether no day is left out."""
        return self.first is None and self.last is None

    def __contains__(self, day: date) -> bool:
        return (self.first or date.min) <= day <= (self.last or date.max)
