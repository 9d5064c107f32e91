"""Which rows of a block can be scored: by columns where that is certain, else one by one."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headlines.readers import ReadOptions
from headlines.readers.record import json_text
from headlines.readers.rejects import Reject
from headlines.readers.row_block import RowBlock
from headlines.readers.titles import MAX_TITLE, SURELY_VISIBLE, has_undecodable
from headlines.scoring.chunks import CHUNK_SCHEMA
from headlines.scoring.rows import validate_row

Flags = NDArray[np.bool_]

_ESCAPED = bytes(chr(code) in '"\\' or code < 0x20 for code in range(256))  # in JSON
_NUL = bytes(code == 0 for code in range(256))


@dataclass(frozen=True)
class Admitted:
    """The rows of a block that can be scored, and the others.

    Attributes:
        rows: of `CHUNK_SCHEMA`.
        rejects: in order.
        cut: titles that were.
    """

    rows: pa.Table
    rejects: list[Reject]
    cut: int


def admit(block: RowBlock, options: ReadOptions) -> Admitted:
    """Check all rows of a block as `validate_row` does."""
    columns = block.columns
    usable = _usable(columns, options) if len(block.rows) else np.empty(0, bool)
    records = block.records + [block.record(n) for n in np.flatnonzero(~usable).tolist()]
    rows, rejects, cut = [], [], 0
    for record in sorted(records, key=lambda record: record.row):
        try:
            rows.append(validate_row(record, options))
        except ValueError as error:
            rejects.append(Reject(record.row, str(error), record.raw))
            continue
        cut += len(record.fields[options.title_column]) > MAX_TITLE
    tables = []
    if rows:
        values = dict(zip(CHUNK_SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
        tables.append(pa.table(values, schema=CHUNK_SCHEMA))
    if usable.any():
        admitted = _table(block.rows, columns, options)
        tables.append(admitted if usable.all() else admitted.filter(pa.array(usable)))
    table = pa.concat_tables(tables) if tables else CHUNK_SCHEMA.empty_table()
    return Admitted(table.sort_by("row") if len(tables) > 1 else table, rejects, cut)


def _usable(columns: dict[str, pa.Array], options: ReadOptions) -> Flags:
    """Which rows can be scored for certain, with other columns that are JSON as they are."""
    others = _others(columns, options)
    count = len(columns[options.title_column])
    if any(map(has_undecodable, others)):
        return np.zeros(count, bool)
    titles = columns[options.title_column]
    lengths = np.diff(_offsets(titles))  # bytes, as many as characters or more
    usable: Flags = lengths <= MAX_TITLE
    is_visible = pc.match_substring_regex(titles, SURELY_VISIBLE).fill_null(False)
    usable &= is_visible.to_numpy(zero_copy_only=False)
    usable[_rows_with(titles, _NUL)] = False
    for name in others:
        if pa.types.is_string(columns[name].type):
            usable[_rows_with(columns[name], _ESCAPED)] = False
    ids = columns.get(options.ids_from)
    if ids is not None and pa.types.is_boolean(ids.type):
        usable &= ids.is_null().to_numpy(zero_copy_only=False)
    return usable


def _rows_with(texts: pa.Array, characters: bytes) -> NDArray[np.int64]:
    """The rows of texts with characters, which have a 1 in this table."""
    offsets = _offsets(texts)
    data = texts.buffers()[2]
    if data is None:
        return np.empty(0, np.int64)
    content = data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
    found = np.flatnonzero(np.frombuffer(content.translate(characters), bool))
    rows: NDArray[np.int64] = np.searchsorted(offsets, found + offsets[0], "right") - 1
    return rows


def _offsets(texts: pa.Array) -> NDArray[np.int32]:
    """Where each text starts in its buffer, and where the last one ends."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def _table(rows: NDArray[np.int64], columns: dict[str, pa.Array], options: ReadOptions) -> pa.Table:
    """The rows of columns without a character that JSON escapes, in `CHUNK_SCHEMA`."""
    ids = columns.get(options.ids_from)
    nothing = pa.nulls(len(rows), pa.string())
    others = _others(columns, options)
    parts: list[pa.Scalar | pa.Array] = []
    for name in others:
        parts += [f"{',' if parts else '{'}{json_text(name)}:", _json_values(columns[name])]
    extra = pc.binary_join_element_wise(*parts, "}", "") if others else nothing
    ids = nothing if ids is None else ids.cast(pa.string())
    values = [pa.array(rows), ids, columns[options.title_column], extra]
    return pa.table(values, schema=CHUNK_SCHEMA)


def _json_values(values: pa.Array) -> pa.Array:
    """Values without a character that JSON escapes, in JSON."""
    is_text = pa.types.is_string(values.type)
    quote = '"' if is_text else ""
    return pc.binary_join_element_wise(quote, values.cast(pa.string()), quote, "").fill_null("null")


def _others(columns: dict[str, pa.Array], options: ReadOptions) -> list[str]:
    """The names of the columns that become `extra`, in order."""
    return sorted(columns.keys() - {options.title_column, options.ids_from})
