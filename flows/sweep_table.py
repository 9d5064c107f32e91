"""What the command line shows people of a sweep: its trials as a table, best first."""

from collections.abc import Sequence
from typing import Any

Result = dict[str, Any]


def sweep_lines(result: Result) -> list[str]:
    """The trials, best first, and how to train with the best."""
    rows = result["trials"]
    seeds = "seed" if result["seeds"] == 1 else "seeds"
    lines = [
        f"sweep: {result['artifact']}",
        f"{len(rows)} trials, {result['seeds']} {seeds} each, on dev without leaked titles:",
        *_table(rows),
    ]
    if result["best"] is None:
        return lines
    return [*lines, f"best preset: {result['best']}", f"train with it: {result['train']}"]


def _table(rows: Sequence[Result]) -> list[str]:
    from headlines.sweep import FIGURES, Spread

    fields = list(rows[0]["values"])
    cells = [["trial", "macro-F1", "accuracy", *fields, "seconds", ""]]
    for row in rows:
        figures = [str(Spread(**row[name])) if row[name] else "–" for name in FIGURES]
        values = [_shown(row["values"][name]) for name in fields]
        seconds = f"{row['seconds']:.0f}"
        cells.append([str(row["trial"]), *figures, *values, seconds, row["problem"]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:]
        ).rstrip()
        for row in cells
    ]


def _shown(value: Any) -> str:
    """A value as it is written in a space."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
