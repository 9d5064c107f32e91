"""Reads Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.readers.formats import open_seekable
from headlines.readers.pandas_index import range_indexes
from headlines.readers.record import Record, check_columns

_BATCH_ROWS = 1_000  # few: repeated large values make a small file but many bytes in memory


def parquet_records(path: Path, title_column: str, work: Path | None = None) -> Iterator[Record]:
    """Yield every row of a file; `work` is as for `open_seekable`.

    Raises:
        InputError: the file is damaged, has no text column of titles, or has values that Python
            cannot represent.
    """
    try:
        with open_seekable(path, work) as seekable, pq.ParquetFile(seekable) as file:
            schema = file.schema_arrow
            check_columns(schema.names, path, title_column)
            title_type = schema.field(title_column).type
            if pa.types.is_dictionary(title_type):
                title_type = title_type.value_type
            if not _is_text(title_type):
                raise InputError(
                    f"the column {title_column!r} is {title_type}, not text",
                    str(path),
                    "save it as text",
                )
            indexes = range_indexes(schema, file.metadata.num_rows)
            row = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = [_values(batch.column(name), name, path) for name in schema.names]
                for values in zip(*columns, strict=True):
                    fields = dict(zip(schema.names, values, strict=True))
                    fields |= {name: index[row] for name, index in indexes.items()}
                    yield Record(row, fields)
                    row += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the operating system: the file may be intact
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"not a readable Parquet file ({reason})", str(path), "upload it again"
        ) from error


def _values(column: Any, name: str, path: Path) -> list[Any]:
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
    except (ValueError, OverflowError, KeyError) as error:  # such as dates out of Python's range
        raise InputError(
            f"the column {name!r} has {column.type} values that cannot be read ({error})",
            str(path),
            "remove the column, or save it as text",
        ) from error
    return values


def _is_text(column_type: Any) -> bool:
    return bool(
        pa.types.is_string(column_type)
        or pa.types.is_large_string(column_type)
        or pa.types.is_string_view(column_type)
    )
