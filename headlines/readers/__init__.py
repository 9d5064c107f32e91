"""Reads CSV, TSV, JSONL and Parquet files of headlines, plain, gzip or zstd, row by row.

Every row becomes one `Record`; a row that cannot be read carries the problem and its raw bytes.
A file that cannot be read as a whole raises `InputError`.
"""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headlines.errors import InputError
from headlines.readers.delimited import Dialect, delimited_records
from headlines.readers.encodings import PROBE_BYTES, check_encoding, is_utf8
from headlines.readers.formats import (
    SUPPORTED_SUFFIXES,
    compression_suffix,
    data_suffix,
    format_of,
    natural_order,
    not_a_file,
    open_stream,
)
from headlines.readers.jsonl import jsonl_records
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, to_json
from headlines.readers.signatures import SIGNATURE_BYTES, check_compression, check_signature
from headlines.readers.text_lines import iter_lines

if TYPE_CHECKING:
    from headlines.readers.row_block import RowBlock

__all__ = [
    "SUPPORTED_SUFFIXES",
    "EmptyFile",
    "ReadOptions",
    "Record",
    "data_suffix",
    "natural_order",
    "not_a_file",
    "read_blocks",
    "read_records",
    "to_json",
]

Rows = TypeVar("Rows")

# Errors of the path itself; any other OSError may be temporary and is raised as it is.
_PATH_ERRORS = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


class EmptyFile(InputError):
    """A file can be read but has no rows."""


def read_records(path: Path, options: ReadOptions, work: Path | None = None) -> Iterator[Record]:
    """Yield every row of a file, in order.

    Args:
        path: a file with one of `SUPPORTED_SUFFIXES`.
        options: how to read it.
        work: directory for temporary files, if it exists; else the system's.

    Raises:
        EmptyFile: the file is empty, or has only a header.
        InputError: the file is missing or damaged, its format is not supported, its encoding is
            not the declared one, or it lacks a column that it must have.
    """
    return _with_errors(_records(path, options, work), path, options)


def read_blocks(path: Path, options: ReadOptions, work: Path | None = None) -> Iterator["RowBlock"]:
    """Yield the rows that `read_records` gives in blocks, by columns where a file is well-formed.

    The first row of a file is always a record.

    Raises:
        EmptyFile, InputError: as `read_records` does.
    """
    return _with_errors(_blocks(path, options, work), path, options)


def _with_errors(rows: Iterator[Rows], path: Path, options: ReadOptions) -> Iterator[Rows]:
    try:
        first = next(rows, None)
        if first is None:
            raise EmptyFile("the file has no rows", str(path), "upload it again")
        yield first
        yield from rows
    except OSError as error:
        if error.errno not in _PATH_ERRORS:
            raise
        raise InputError(
            f"cannot read the file ({error.strerror})",
            str(path),
            "check the path and its permissions",
        ) from error
    except UnicodeError as error:
        raise InputError(
            f"the file is not {options.encoding} ({error})", str(path), "check --encoding"
        ) from error


def _blocks(path: Path, options: ReadOptions, work: Path | None) -> Iterator["RowBlock"]:
    # They import NumPy and pyarrow.
    from headlines.readers.parquet import parquet_blocks
    from headlines.readers.plain_json import jsonl_blocks
    from headlines.readers.plain_lines import can_split, delimited_blocks
    from headlines.readers.row_block import blocks_of

    file_format = _checked_format(path, options)
    if file_format == ".parquet":
        yield from parquet_blocks(path, options, work)
    elif not is_utf8(options.encoding) or not (
        file_format == ".jsonl" or can_split(Dialect.of(path, options))
    ):
        yield from blocks_of(_records(path, options, work))
    else:
        read = jsonl_blocks if file_format == ".jsonl" else delimited_blocks
        with open_stream(path) as file:
            yield from read(file, path, options)


def _checked_format(path: Path, options: ReadOptions) -> str:
    """The format of a file, after a look at its start."""
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise not_a_file(path)
    file_format = format_of(path)
    if path.stat().st_size == 0:
        raise EmptyFile("the file is empty", str(path), "upload it again")
    with path.open("rb") as file:
        check_compression(file.read(SIGNATURE_BYTES), path, compression_suffix(path))
    with open_stream(path) as file:
        head = file.read(SIGNATURE_BYTES)
        check_signature(head, path, file_format)
        if file_format != ".parquet":
            check_encoding(head + file.read(PROBE_BYTES - len(head)), path, options.encoding)
    return file_format


def _records(path: Path, options: ReadOptions, work: Path | None) -> Iterator[Record]:
    file_format = _checked_format(path, options)
    if file_format == ".parquet":
        from headlines.readers.parquet import parquet_records  # imports pyarrow

        yield from parquet_records(path, options, work)
        return
    with open_stream(path) as file:
        lines = iter_lines(file, options.encoding)
        read = jsonl_records if file_format == ".jsonl" else delimited_records
        yield from read(lines, path, options)
