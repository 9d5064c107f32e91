"""Reads CSV and TSV."""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.readers.record import Record, check_columns
from headlines.readers.text_lines import MAX_LINE, Line

# Applies to the whole process. The default of 131,072 is too small for the longest articles.
csv.field_size_limit(1 << 20)

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class _RowLines:
    """Feeds lines to `csv.reader` and keeps those of the row being read."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._pushed_back: deque[Line] = deque()
        self.current: list[Line] = []

    def __iter__(self) -> "_RowLines":
        return self

    def __next__(self) -> str:
        line = self._pushed_back.popleft() if self._pushed_back else next(self._lines)
        self.current.append(line)
        return line.text

    def push_back_all_but_first(self) -> None:
        """End the row after its first line; the other lines are read again as rows."""
        self._pushed_back.extendleft(reversed(self.current[1:]))
        del self.current[1:]

    @property
    def raw(self) -> bytes:
        """The bytes of the row without its last line end."""
        *others, last = self.current
        if not others:
            return last.raw[: len(last.raw) - last.end]
        return b"".join(line.raw for line in others) + last.raw[: len(last.raw) - last.end]


def delimited_records(
    text_lines: Iterator[Line],
    path: Path,
    title_column: str,
    delimiter: str,
    max_line: int = MAX_LINE,
) -> Iterator[Record]:
    """Yield every row below the header; nothing of a blank file.

    Raises:
        InputError: the first line is not a header with a column of titles.
    """
    lines = _RowLines(text_lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(reader, path, title_column)
    if not header:
        return
    columns = len(header)
    row = 0
    while True:
        lines.current.clear()
        problem = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], f"malformed row ({error})"
        if problem is None and not values:
            continue  # a blank line
        if problem is None and len(values) != columns:
            problem = f"{len(values)} columns where the header has {columns}"
        if problem is not None and len(lines.current) > 1:
            # An unclosed quote has swallowed the rows after it: only its own line is bad.
            lines.push_back_all_but_first()
            problem = "malformed row (a quote that is not closed)"
        raw = lines.raw
        if len(raw) >= max_line:
            problem = "the line is too long"
        if problem is None:
            yield Record(row, dict(zip(header, values, strict=True)), raw)
        else:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield Record(row, {}, raw, problem)
        row += 1


def _header(reader: Iterator[list[str]], path: Path, title_column: str) -> list[str]:
    try:
        header = next((row for row in reader if "".join(row).strip() or len(row) > 1), [])
    except csv.Error as error:
        raise InputError(
            f"the first line is not a header ({error})", str(path), "name the columns in it"
        ) from error
    if header:
        check_columns(header, path, title_column)
    return header
