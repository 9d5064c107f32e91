"""Warnings of rows that can be used, but that a person should look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class RowWarnings:
    """Warnings and their rows.

    Attributes:
        rows: for each warning, how many rows have it (`rows`) and which is the first (`first`).
    """

    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, warning: str, first: int, rows: int = 1) -> None:
        """Add the warning of rows that come after those that have it already."""
        self.rows.setdefault(warning, {"rows": 0, "first": first})["rows"] += rows

    def add_all(self, rows: Mapping[str, Mapping[str, int]], offset: int) -> None:
        """Add those of the next portion of a batch or corpus, after `offset` rows."""
        for warning, where in rows.items():
            self.add(warning, offset + where["first"], where["rows"])


def warning_lines(warnings: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Each warning of `RowWarnings.rows` for people."""
    for warning, where in warnings.items():
        more = f" and {where['rows'] - 1} more" if where["rows"] > 1 else ""
        yield f"row {where['first']}{more}: {warning}"
