"""Reads Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.readers.formats import open_seekable
from headlines.readers.record import Record, check_columns

_ROWS_AT_ONCE = 1_000  # a file may be small and its values large, if they are the same


def parquet_records(path: Path, title_column: str) -> Iterator[Record]:
    """Every row of a file.

    Raises:
        InputError: it is damaged, has no column of titles that are text, or holds what Python
            cannot.
    """
    try:
        with open_seekable(path) as unpacked, pq.ParquetFile(unpacked) as file:
            schema = file.schema_arrow
            check_columns(schema.names, path, title_column)
            kind = schema.field(title_column).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            if not _is_text(kind):
                raise InputError(
                    f"the column {title_column!r} holds {kind}, not text",
                    str(path),
                    "save it as text",
                )
            row = 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                columns = [_values(batch.column(name), name, path) for name in schema.names]
                for values in zip(*columns, strict=True):
                    fields = dict(zip(schema.names, values, strict=True))
                    yield Record(row, fields)
                    row += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file may be well
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"not a readable Parquet file ({reason})", str(path), "upload it again"
        ) from error


def _values(column: Any, name: str, path: Path) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        # By way of bytes: Parquet does not promise that its text is UTF-8.
        as_bytes = column.cast(pa.large_binary()).to_pylist()
        return [
            None if value is None else value.decode("utf-8", "surrogateescape")
            for value in as_bytes
        ]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, KeyError) as error:  # dates beyond Python's, say
        raise InputError(
            f"the column {name!r} holds {column.type} that cannot be read ({error})",
            str(path),
            "leave the column out, or save it as text",
        ) from error
    return values


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
