"""Reads Parquet files."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.readers.formats import open_seekable
from headlines.readers.pandas_index import range_indexes
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, check_columns
from headlines.readers.row_block import RowBlock, blocks_of
from headlines.readers.signatures import encrypted_parquet

_BATCH_ROWS = 1_000  # few: repeated large values make a small file but many bytes in memory
_ZERO_FRACTION = re.compile(r"\.0+(?!\d)")  # of a second; Python leaves it out too
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # of a second, in the units of Arrow
# What pyarrow raises for a value that Python has no place for.
_NOT_REPRESENTABLE = (ValueError, OverflowError, KeyError)


def parquet_records(path: Path, options: ReadOptions, work: Path | None = None) -> Iterator[Record]:
    """Yield every row of a file; `work` is as for `open_seekable`.

    A value that Python cannot represent, such as a time after the year 9999, becomes text, and its
    row has a warning.

    Raises:
        InputError: the file is damaged or encrypted, or lacks a text column of titles or another
            column that it must have.
    """
    for row, columns in _batches(path, options, work):
        yield from _records(row, columns)


def parquet_blocks(
    path: Path, options: ReadOptions, work: Path | None = None
) -> Iterator[RowBlock]:
    """The rows as `parquet_records` gives them; the first one is a record.

    Raises:
        InputError: as `parquet_records` does.
    """
    for row, columns in _batches(path, options, work):
        plain: dict[str, pa.Array] = {name: _plain(column) for name, column in columns.items()}
        if any(column is None for column in plain.values()):
            yield from blocks_of(_records(row, columns))
            continue
        rows = np.arange(row, row + len(plain[options.title_column]))
        if not row:
            first = RowBlock([], rows, plain).record(0)
            yield RowBlock([first], rows[1:], {n: c[1:] for n, c in plain.items()}, size=len(rows))
        else:
            yield RowBlock([], rows, plain, size=len(rows))


def _batches(
    path: Path, options: ReadOptions, work: Path | None
) -> Iterator[tuple[int, dict[str, pa.Array | range]]]:
    """The columns of some rows, and the number of the first one."""
    title_column = options.title_column
    try:
        with open_seekable(path, work) as seekable, pq.ParquetFile(seekable) as file:
            schema = file.schema_arrow
            indexes = range_indexes(schema, file.metadata.num_rows)
            check_columns([*schema.names, *indexes], path, options.required_columns)
            title_type = schema.field(title_column).type
            if pa.types.is_dictionary(title_type):
                title_type = title_type.value_type
            if not _is_text(title_type):
                raise InputError(
                    f"the column {title_column!r} is {title_type}, not text",
                    str(path),
                    "save it as text",
                )
            row = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = dict(zip(schema.names, batch.columns, strict=True))
                columns |= {name: ids[row : row + len(batch)] for name, ids in indexes.items()}
                yield row, columns
                row += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the operating system: the file may be intact
        reason = str(error).splitlines()[0][:120]
        if "encrypt" in reason or "decrypt" in reason:
            raise encrypted_parquet(path) from error
        raise InputError(
            f"not a readable Parquet file ({reason})", str(path), "upload it again"
        ) from error


def _records(row: int, columns: dict[str, pa.Array | range]) -> Iterator[Record]:
    warnings: dict[int, list[str]] = {}  # by position
    values = [_values(column, name, warnings) for name, column in columns.items()]
    for position, of_row in enumerate(zip(*values, strict=True)):
        fields = dict(zip(columns, of_row, strict=True))
        yield Record(row + position, fields, warnings=tuple(warnings.get(position, ())))


def _plain(column: pa.Array | range) -> pa.Array | None:
    """Text, integers and truth values as Python has them; None of other types."""
    if isinstance(column, range):
        try:
            return pa.array(column, pa.int64())
        except (OverflowError, pa.ArrowInvalid):
            return None
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column
    if not _is_text(column.type):
        return None
    try:
        column = column.cast(pa.large_binary()).cast(pa.string())  # sees that it is UTF-8
    except pa.ArrowInvalid:
        return None
    return column


def _values(column: Any, name: str, warnings: dict[int, list[str]]) -> list[Any]:
    if isinstance(column, range):
        return list(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        # Decoded from bytes: Parquet does not guarantee that text is UTF-8.
        as_bytes = column.cast(pa.large_binary()).to_pylist()
        return [
            None if value is None else value.decode("utf-8", "surrogateescape")
            for value in as_bytes
        ]
    try:
        values: list[Any] = column.to_pylist()
    except _NOT_REPRESENTABLE:
        warning = f"a value of the column {name!r} ({column.type}) could be kept only as text"
        values = []
        for position, scalar in enumerate(column):
            try:
                values.append(scalar.as_py())
            except _NOT_REPRESENTABLE:
                values.append(_as_text(scalar))
                warnings.setdefault(position, []).append(warning)
    return values


def _as_text(scalar: Any) -> Any:
    """A value that Python cannot represent, as text; one that it can as it is."""
    try:
        return scalar.as_py()
    except _NOT_REPRESENTABLE:
        pass
    if isinstance(scalar, pa.ListScalar):  # and its subclasses
        return [_as_text(item) for item in scalar.values]
    if isinstance(scalar, pa.StructScalar):
        return {key: _as_text(scalar[key]) for key in scalar}
    if _is_text(scalar.type):  # not UTF-8
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if pa.types.is_timestamp(scalar.type):
        try:
            text = str(scalar.cast(pa.string()))
        except pa.ArrowInvalid:  # an unknown time zone
            text = f"{scalar.cast(pa.timestamp(scalar.type.unit)).cast(pa.string())}Z"
        return _ZERO_FRACTION.sub("", text)
    if pa.types.is_duration(scalar.type):
        return f"PT{Decimal(scalar.value).scaleb(-_DIGITS[scalar.type.unit]):f}S"
    return str(scalar.cast(pa.string()))


def _is_text(column_type: Any) -> bool:
    return bool(
        pa.types.is_string(column_type)
        or pa.types.is_large_string(column_type)
        or pa.types.is_string_view(column_type)
    )
