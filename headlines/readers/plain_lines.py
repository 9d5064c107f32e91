"""Reads CSV and TSV in UTF-8 by columns, and what may be malformed row by row.

A line is split at its delimiters without `csv` where that cannot make a difference: it ends in LF
or CR LF, decodes, has as many delimiters as the header, and neither a quotation mark that counts,
nor another CR, a NUL or a byte order mark. Every other line is left to `rows_below`, which takes as
many lines as the row has.
"""

from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headlines.readers.byte_window import ByteWindow
from headlines.readers.delimited import Dialect, RowLines, read_header, rows_below
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record
from headlines.readers.row_block import RowBlock, block_of, blocks_of
from headlines.readers.text_lines import byte_lines

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]

BLOCK = 1 << 20  # bytes: arrays of this length stay in the processor's cache
_LINES = 8  # are left to the rows' reader together if one of them does not decode
_LF, _CR = 10, 13
_MARK = b"\xef\xbb\xbf"


def can_split(dialect: Dialect) -> bool:
    """Whether files of a dialect can be read by columns: its delimiter is one byte."""
    return dialect.delimiter.isascii()


def delimited_blocks(file: BufferedReader, path: Path, options: ReadOptions) -> Iterator[RowBlock]:
    """The rows below the header as `delimited_records` reads them; the first one is a record.

    Raises:
        InputError: see `read_header`.
    """
    window, dialect = ByteWindow(file), Dialect.of(path, options)
    lines = RowLines(byte_lines(window, options.encoding))
    header = read_header(lines, path, options, dialect)
    rows = rows_below(header, lines, dialect) if header else iter(())
    first = next(rows, None)
    if first is None:
        return
    yield block_of([first])
    if not (lines.is_exact and window.keeps):
        yield from blocks_of(rows)
        return
    window.drop(lines.consumed)
    splitter = _Splitter(window, header, dialect, options.encoding)
    row = 1
    while (block := splitter.next_block()) is not None:
        yield block.shifted(row)
        row += block.row_count
    for block in blocks_of(splitter.other_rows()):
        yield block.shifted(row)


class _Splitter:
    """Reads the lines of a window in blocks, as long as it can split them."""

    def __init__(
        self, window: ByteWindow, header: Sequence[str], dialect: Dialect, encoding: str
    ) -> None:
        self._window = window
        self._header = header
        self._dialect = dialect
        self._encoding = encoding
        self._delimiter = ord(dialect.delimiter)
        self._header_line = dialect.delimiter.join(header).encode("utf-8", "surrogateescape")
        marks = {"\0", "\n", "\r", dialect.delimiter, '"' if dialect.is_quoted else "\n"}
        self._is_mark = bytes(chr(code) in marks for code in range(256))
        self._unfinished: Iterator[Record] | None = None

    def next_block(self) -> RowBlock | None:
        """The next rows, numbered from 0; None if there are none that end within a block."""
        if self._unfinished:
            return None
        window = self._window
        window.fill(BLOCK)
        end = window.data.rfind(b"\n", 0, BLOCK) + 1
        if not end:
            return None
        data = window.data[:end]
        lines = PlainLines(data, self._is_mark, self._delimiter, len(self._header))
        lines.exclude_undecodable()
        lines.exclude_equal(self._header_line)
        records: list[Record] = []
        record_starts: list[int] = []
        reached = 0
        for start in lines.starts_of_others():
            if start >= reached and not self._unfinished:
                reached = self._read_rows(start, lines, records, record_starts)
                lines.exclude(start, reached)
        if not self._unfinished:
            window.drop(max(end, reached))
        columns = dict(zip(self._header, lines.columns(), strict=True))
        return lines.block(columns, records, record_starts, max(end, reached))

    def _read_rows(
        self, start: int, lines: "PlainLines", records: list[Record], record_starts: list[int]
    ) -> int:
        """Read rows from a line on, up to a plain line or a new block; where that starts."""
        self._window.position = start
        row_lines = RowLines(byte_lines(self._window, self._encoding))
        rows = rows_below(self._header, row_lines, self._dialect)
        reached = start
        for record in rows:
            records.append(record)
            record_starts.append(reached)
            if not (row_lines.is_exact and self._window.keeps):
                break
            reached = start + row_lines.consumed
            if lines.is_plain_at(reached):
                return reached
        self._unfinished = rows  # where it goes on is not known, or it is at the end
        return lines.size

    def other_rows(self) -> Iterator[Record]:
        """The rows after the last block, numbered from 0."""
        self._window.keeps = False
        if self._unfinished:
            return (record._replace(row=number) for number, record in enumerate(self._unfinished))
        row_lines = RowLines(byte_lines(self._window, self._encoding))
        return rows_below(self._header, row_lines, self._dialect)


class PlainLines:
    """The lines of a block, and which of them are plain: split at their delimiters alone."""

    def __init__(self, data: bytes, is_mark: bytes, delimiter: int, columns: int) -> None:
        """Lines with other marks than delimiters, or not so many columns, are not plain.

        Args:
            data: the block, which ends in LF.
            is_mark: a 1 for each byte that is LF, CR, the delimiter or not plain.
            delimiter: between the columns.
            columns: how many a plain line has.
        """
        self.size = len(data)
        codes = np.frombuffer(data, np.uint8)
        marks = np.flatnonzero(np.frombuffer(data.translate(is_mark), bool))
        kinds = codes[marks]
        self._data = data
        self._columns = columns
        self._ends = marks[kinds == _LF]
        self._starts = np.concatenate([[0], self._ends[:-1] + 1])
        has_cr = (codes[self._ends - 1] == _CR) & (self._ends > self._starts)
        self._text_ends = self._ends - has_cr
        self._splits = marks[kinds == delimiter]
        self._split_counts = np.diff(np.searchsorted(self._splits, self._ends), prepend=0)
        others = marks[(kinds != _LF) & (kinds != delimiter)]
        others = others[(codes[others] != _CR) | (codes[others + 1] != _LF)]
        self._is_blank = self._text_ends == self._starts
        self._is_plain = (self._split_counts == columns - 1) & ~self._is_blank
        self._is_plain[np.searchsorted(self._ends, others)] = False
        for number in np.flatnonzero(codes[self._starts] == _MARK[0]).tolist():
            if data.startswith(_MARK, self._starts[number]):
                self._is_plain[number] = False

    def exclude_undecodable(self) -> None:
        """Let no line be plain that is not UTF-8."""
        portions = [(0, len(self._ends))]
        while portions:
            first, last = portions.pop()
            try:
                self._data[self._starts[first] : self._ends[last - 1]].decode()
            except UnicodeDecodeError:
                if last - first <= _LINES:
                    self._is_plain[first:last] = False
                else:
                    middle = (first + last) // 2
                    portions += [(first, middle), (middle, last)]

    def keep(self, is_plain: Flags) -> None:
        """Let only these of the plain lines be plain."""
        self._is_plain[self._is_plain] = is_plain

    def exclude_equal(self, text: bytes) -> None:
        """Let no line be plain that is this text."""
        for number in np.flatnonzero(self._text_ends - self._starts == len(text)).tolist():
            if self._data.startswith(text, self._starts[number]):
                self._is_plain[number] = False

    def exclude(self, start: int, end: int) -> None:
        """Let no line be plain that starts there."""
        first, last = np.searchsorted(self._starts, [start, end])
        self._is_plain[first:last] = False

    def is_plain_at(self, start: int) -> bool:
        """Whether a plain line, a blank line or the next block starts there."""
        number = int(np.searchsorted(self._starts, start))
        if number == len(self._starts):
            return start >= self.size
        return bool(
            self._starts[number] == start and (self._is_plain[number] or self._is_blank[number])
        )

    def other_portions(self) -> list[tuple[int, int]]:
        """Start and end of each portion without a plain line."""
        borders = np.flatnonzero(np.diff(self._is_plain, prepend=True, append=True))
        bounds = np.append(self._starts, self.size)[borders].reshape(-1, 2)
        return [(start, end) for start, end in bounds.tolist()]

    def starts_of_others(self) -> list[int]:
        """Where each line starts that is neither plain nor blank."""
        starts: list[int] = self._starts[~self._is_plain & ~self._is_blank].tolist()
        return starts

    def block(
        self,
        columns: dict[str, pa.Array],
        records: list[Record],
        record_starts: list[int],
        size: int,
    ) -> RowBlock:
        """The plain lines, and records that start between them, numbered from 0."""
        starts = self._starts[self._is_plain]
        rows = np.arange(len(starts)) + np.searchsorted(record_starts, starts)
        record_rows = np.arange(len(records)) + np.searchsorted(starts, record_starts)
        numbered = zip(records, record_rows.tolist(), strict=True)
        records = [record._replace(row=row) for record, row in numbered]
        return RowBlock(records, rows, columns, self.line, size)

    def line(self, position: int) -> bytes:
        """A plain line without its end."""
        number = np.flatnonzero(self._is_plain)[position]
        return self._data[self._starts[number] : self._text_ends[number]]

    def columns(self) -> list[pa.Array]:
        """The columns of the plain lines."""
        starts, ends = self._starts[self._is_plain], self._text_ends[self._is_plain]
        splits = self._splits[np.repeat(self._is_plain, self._split_counts)]
        inner = splits.reshape(len(starts), self._columns - 1).T  # of each delimiter
        buffer = pa.py_buffer(self._data)
        return [
            _texts(buffer, column_starts, column_ends)
            for column_starts, column_ends in zip(
                [starts, *(inner + 1)], [*inner, ends], strict=True
            )
        ]


def _texts(data: pa.Buffer, starts: Positions, ends: Positions) -> pa.Array:
    """The texts from and to some positions, both ascending."""
    if not len(starts):
        return pa.array([], pa.string())
    bounds = np.stack([starts, ends], axis=1).astype(np.int32).reshape(-1)
    # Every second one is what lies between two of them.
    texts = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), data)
    return texts.take(pa.array(np.arange(0, len(bounds), 2)))
