"""Reads JSON lines in UTF-8 by columns where they are alike, and any other line by itself.

Programs write every object with the same keys in the same order. A line is split at its quotation
marks where it has no backslash and no control character, and differs from the first line of the
file only within values that are text.
"""

from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headlines.readers import plain_lines
from headlines.readers.byte_window import ByteWindow
from headlines.readers.jsonl import jsonl_records, rows_of_lines
from headlines.readers.plain_lines import PlainLines
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record
from headlines.readers.row_block import RowBlock, block_of, blocks_of
from headlines.readers.text_lines import MAX_LINE, Line, byte_lines

_QUOTE = b'"'
_IS_MARK = bytes(code < 0x20 or chr(code) in '"\\' for code in range(256))


def jsonl_blocks(file: BufferedReader, path: Path, options: ReadOptions) -> Iterator[RowBlock]:
    """The rows as `jsonl_records` reads them; the first one is a record.

    Raises:
        InputError: as `jsonl_records` does.
    """
    window = ByteWindow(file)
    sizes: list[int] = []
    rows = jsonl_records(_noted(byte_lines(window, options.encoding), sizes), path, options)
    first = next(rows, None)
    if first is None:
        return
    yield block_of([first])
    parts = _parts(first, options.title_column)
    if not parts or not window.keeps or max(sizes) >= MAX_LINE:
        yield from blocks_of(rows)
        return
    window.drop(sum(sizes))
    row = 1
    while (block := _next_block(window, parts, list(first.fields), options)) is not None:
        yield block.shifted(row)
        row += block.row_count
    window.keeps = False
    for block in blocks_of(rows_of_lines(byte_lines(window, options.encoding), options)):
        yield block.shifted(row)


def _noted(lines: Iterator[Line], sizes: list[int]) -> Iterator[Line]:
    """The lines, with the bytes of each that was read added to a list."""
    for line in lines:
        sizes.append(len(line.raw))
        yield line


def _parts(first: Record, title_column: str) -> list[bytes]:
    """A line's parts between quotation marks; empty where lines like it cannot be split.

    They are a key, a value and what is between them by turns: every fourth is a value.
    """
    line, fields = first.raw, first.fields
    # With another row before it that has no title, this one would not be the last that was read.
    if first.problem or first.warnings or title_column not in fields:
        return []
    if any(_IS_MARK[code] and code != ord(_QUOTE) for code in line):
        return []
    parts = line.split(_QUOTE)
    if not all(isinstance(value, str) for value in fields.values()):
        return []
    keys, values = (
        [text.encode("utf-8", "surrogatepass") for text in texts]
        for texts in (fields, fields.values())
    )
    is_split = len(parts) == 4 * len(fields) + 1 and parts[1::4] == keys and parts[3::4] == values
    return parts if is_split else []


def _next_block(
    window: ByteWindow, parts: list[bytes], names: list[str], options: ReadOptions
) -> RowBlock | None:
    """The next rows, numbered from 0; None if there is no line that ends within a block."""
    window.fill(plain_lines.BLOCK)
    end = window.data.rfind(b"\n", 0, plain_lines.BLOCK) + 1
    if not end:
        return None
    data = window.data[:end]
    window.drop(end)
    lines = PlainLines(data, _IS_MARK, ord(_QUOTE), len(parts))
    lines.exclude_undecodable()
    columns = lines.columns()
    is_alike = np.ones(len(columns[0]), bool)
    for number, (part, column) in enumerate(zip(parts, columns, strict=True)):
        if number % 4 != 3:
            equal = pc.equal(column, pa.scalar(part.decode()))
            is_alike &= equal.to_numpy(zero_copy_only=False)
    lines.keep(is_alike)
    values = [column.filter(pa.array(is_alike)) for column in columns[3::4]]
    records: list[Record] = []
    record_starts: list[int] = []
    for start, stop in lines.other_portions():
        portion = BufferedReader(BytesIO(data[start:stop]))
        records += rows_of_lines(byte_lines(portion, options.encoding), options)
        record_starts += [start] * (len(records) - len(record_starts))
    return lines.block(dict(zip(names, values, strict=True)), records, record_starts, end)
