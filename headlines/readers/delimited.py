"""Reads CSV and TSV."""

import csv
import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.errors import InputError
from headlines.readers.formats import format_of
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, alike_column, check_columns
from headlines.readers.text_lines import MAX_LINE, Line

# Applies to the whole process. The default of 131,072 is too small for the longest articles.
csv.field_size_limit(1 << 20)

_SEPARATOR_LINE = re.compile('"?sep=(.)"?[\r\n]*', re.IGNORECASE)  # Excel's
_OTHER_DELIMITERS = ",;\t|，；｜、:：^~\x01\x1f"
_HOLDS_ROWS = "a quoted field holds lines that look like rows: check that its quote is closed"
_LINE_BREAK = re.compile("\r\n|\r|\n")


class RowLines:
    """Feeds lines to `csv.reader` and keeps those of the row being read.

    Attributes:
        current: the lines of the row.
        consumed: bytes of all lines that were read, but for those that are read again.
        is_exact: whether no line was truncated, so that `consumed` is right.
    """

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._pushed_back: deque[Line] = deque()
        self.current: list[Line] = []
        self.consumed = 0
        self.is_exact = True

    def __iter__(self) -> "RowLines":
        return self

    def __next__(self) -> str:
        line = self._pushed_back.popleft() if self._pushed_back else next(self._lines)
        self.current.append(line)
        self.consumed += len(line.raw)
        if len(line.raw) >= MAX_LINE:
            self.is_exact = False
        return line.text

    def push_back_all_but_first(self) -> None:
        """End the row after its first line; the other lines are read again as rows."""
        self._pushed_back.extendleft(reversed(self.current[1:]))
        self.consumed -= sum(len(line.raw) for line in self.current[1:])
        del self.current[1:]

    @property
    def raw(self) -> bytes:
        """The bytes of the row without its last line end."""
        *others, last = self.current
        if not others:
            return last.raw[: len(last.raw) - last.end]
        return b"".join(line.raw for line in others) + last.raw[: len(last.raw) - last.end]


@dataclass(frozen=True)
class Dialect:
    """How the rows of a CSV or TSV are written.

    Attributes:
        delimiter: between the columns.
        is_quoted: whether fields may be in quotation marks.
    """

    delimiter: str
    is_quoted: bool

    @classmethod
    def of(cls, path: Path, options: ReadOptions) -> "Dialect":
        """The dialect of a file."""
        file_format = format_of(path)
        return cls(options.delimiter_of(file_format), options.is_quoted(file_format))

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The values of each row."""
        quoting: Any = csv.QUOTE_MINIMAL if self.is_quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True)


def delimited_records(
    text_lines: Iterator[Line], path: Path, options: ReadOptions, max_line: int = MAX_LINE
) -> Iterator[Record]:
    """Yield every row below the header; nothing of a blank file: see `rows_below`.

    Raises:
        InputError: see `read_header`.
    """
    lines, dialect = RowLines(text_lines), Dialect.of(path, options)
    header = read_header(lines, path, options, dialect)
    if header:
        yield from rows_below(header, lines, dialect, max_line)


def rows_below(
    header: Sequence[str], lines: RowLines, dialect: Dialect, max_line: int = MAX_LINE
) -> Iterator[Record]:
    """Yield every row from a place on where a row begins, numbered from 0.

    A row that may hold others, since a quote closes late, has a warning. The header again, where
    files were joined, is a problem.
    """
    reader = dialect.reader(lines)
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
        if values == header:
            problem = "the header again"
        raw = lines.raw
        if len(raw) >= max_line:
            problem = "the line is too long"
        warnings: tuple[str, ...] = ()
        if len(lines.current) == 1:
            problem = lines.current[0].problem or problem
        else:
            problem = next((line.problem for line in lines.current if line.problem), problem)
            if problem is None and _may_hold_rows(values, dialect.delimiter):
                warnings = (_HOLDS_ROWS,)
        if problem is None:
            yield Record(row, dict(zip(header, values, strict=True)), raw, None, warnings)
        else:
            reader = dialect.reader(lines)
            yield Record(row, {}, raw, problem)
        row += 1


def _may_hold_rows(values: Sequence[str], delimiter: str) -> bool:
    """Whether most lines in one of the fields have as many columns as the row itself."""
    for value in values:
        _, *lines = _LINE_BREAK.split(value)
        lines = [line for line in lines if line.strip()]
        alike = sum(line.count(delimiter) == len(values) - 1 for line in lines)
        if alike * 2 > len(lines):
            return True
    return False


def read_header(lines: RowLines, path: Path, options: ReadOptions, dialect: Dialect) -> list[str]:
    """The names of the columns; empty for a blank file.

    Raises:
        InputError: the first line is not a header with the columns that the file must have.
    """
    reader, delimiter = dialect.reader(lines), dialect.delimiter
    try:
        header = _next_row(reader)
        if header and (separator := _SEPARATOR_LINE.fullmatch(lines.current[-1].text)):
            if separator[1] != delimiter:
                raise _other_delimiter(path, separator[1], delimiter, " (its line `sep=`)")
            header = _next_row(reader)
    except csv.Error as error:
        _check_delimiter(lines.current[-1].text, path, options, delimiter)
        raise InputError(
            f"the first line is not a header ({error})", str(path), "name the columns in it"
        ) from error
    if not header:
        return []
    if options.title_column not in header:
        if header[0].startswith("{"):
            raise InputError(
                "the first line is JSON, not a header",
                str(path),
                "let its name end in .jsonl, or add --format jsonl to `score -`",
            )
        if len(header) == 1:
            _check_delimiter(header[0], path, options, delimiter)
        if f'"{options.title_column}"' in header:
            raise InputError("its header is in quotation marks", str(path), "add --quoting csv")
    check_columns(header, path, options.required_columns)
    return header


def _next_row(reader: Iterator[list[str]]) -> list[str]:
    """The next row that is not blank; empty at the end."""
    return next((row for row in reader if len(row) > 1 or "".join(row).strip()), [])


def _check_delimiter(line: str, path: Path, options: ReadOptions, delimiter: str) -> None:
    """Refuse a header whose columns are separated by something else."""
    for mark in _OTHER_DELIMITERS:
        names = [name.strip(' "\r\n') for name in line.split(mark)]
        is_other = mark != delimiter and len(names) > 1
        if is_other and alike_column(names, options.title_column) is not None:
            raise _other_delimiter(path, mark, delimiter)


def _other_delimiter(path: Path, delimiter: str, expected: str, where: str = "") -> InputError:
    shell = "tab" if delimiter == "\t" else shlex.quote(delimiter)
    if not delimiter.isprintable() and delimiter != "\t":
        shell = f"${delimiter!r}"
    return InputError(
        f"the columns are separated by {_name(delimiter)}{where}, not by {_name(expected)}",
        str(path),
        f"add --delimiter {shell}",
    )


def _name(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else repr(delimiter)
