"""Reads CSV and TSV."""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.readers.record import Record, check_columns
from headlines.readers.text_lines import LONGEST_LINE, Line

# Of a field; the default, 131,072, cuts the longest articles in two. It is the whole process's.
csv.field_size_limit(1 << 20)

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class _Lines:
    """Lines of a text file for `csv.reader`, which remembers those of the row being read."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line.text

    def keep_first(self) -> None:
        """Give back all lines of this row but the first: they are read again as rows."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    @property
    def raw(self) -> bytes:
        """The bytes of this row, without its last line end."""
        *others, last = self.taken
        if not others:
            return last.raw[: len(last.raw) - last.end]
        return b"".join(line.raw for line in others) + last.raw[: len(last.raw) - last.end]


def delimited_records(
    text_lines: Iterator[Line], path: Path, title_column: str, delimiter: str
) -> Iterator[Record]:
    """Every row below the header.

    Raises:
        InputError: the first line is no header with a column of titles.
    """
    lines = _Lines(text_lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(reader, path, title_column)
    columns = len(header)
    row = 0
    while True:
        lines.taken.clear()
        problem = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], f"malformed row ({error})"
        if problem is None and not values:
            continue  # a blank line between rows, as every reader of CSV takes it
        if problem is None and len(values) != columns:
            problem = f"{len(values)} columns where the header has {columns}"
        if problem is not None and len(lines.taken) > 1:
            # A quote that was never closed has run over the rows after it: only the line it
            # stands on is bad.
            lines.keep_first()
            problem = "malformed row (a quote that is not closed)"
        raw = lines.raw
        if len(raw) >= LONGEST_LINE:
            problem = "the line is too long"
        if problem is None:
            yield Record(row, dict(zip(header, values, strict=True)), raw)
        else:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield Record(row, {}, raw, problem)
        row += 1


def _header(reader: Iterator[list[str]], path: Path, title_column: str) -> list[str]:
    try:
        header = next((row for row in reader if row), [])
    except csv.Error as error:
        raise InputError(
            f"the first line is no header ({error})", str(path), "name the columns there"
        ) from error
    check_columns(header, path, title_column)
    return header
