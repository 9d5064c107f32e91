"""Reads files of headlines: CSV, TSV, JSONL and Parquet, plain, gzip or zstd, row by row.

Every row of a file becomes one `Record`. A row that cannot be read says why and keeps its raw
bytes; a file that cannot be read as a whole raises `InputError`.
"""

import errno
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "SUPPORTED_SUFFIXES",
    "EmptyFile",
    "ReadOptions",
    "Record",
    "data_suffix",
    "read_records",
    "to_json",
]
from headlines.errors import InputError
from headlines.readers.delimited import DELIMITERS, delimited_records
from headlines.readers.formats import SUPPORTED_SUFFIXES, data_suffix, format_of, open_stream
from headlines.readers.jsonl import jsonl_records
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, to_json
from headlines.readers.text_lines import check_encoding, iter_lines

__all__ = [
    "SUPPORTED_SUFFIXES",
    "EmptyFile",
    "ReadOptions",
    "Record",
    "data_suffix",
    "read_records",
    "to_json",
]


_NOT_THERE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


class EmptyFile(InputError):
    """A file is whole, and has no rows."""


def read_records(path: Path, reading: ReadOptions) -> Iterator[Record]:
    """Every row of a file, in order.

    Args:
        path: a file whose ending is one of `SUPPORTED_SUFFIXES`.
        reading: how it is to be read.

    Raises:
        EmptyFile: the file is empty, or a header alone.
        InputError: it is missing, of another format, in another encoding, damaged,
            or has no column of titles.
    """
    try:
        yield from _some(_records(path, reading), path)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise  # of the disk, and it may pass
        raise InputError(
            f"the file cannot be read ({error.strerror})", str(path), "check path and permissions"
        ) from error
    except UnicodeError as error:
        raise InputError(
            f"the file is not {reading.encoding} ({error})", str(path), "check --encoding"
        ) from error


def _records(path: Path, reading: ReadOptions) -> Iterator[Record]:
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise InputError("not a file", str(path), "name the files in it one by one")
    kind = format_of(path)
    if path.stat().st_size == 0:
        raise EmptyFile("the file is empty", str(path), "upload it again")
    if kind == ".parquet":
        from headlines.readers.parquet import parquet_records  # pyarrow, where it is needed

        yield from parquet_records(path, reading.title_column)
        return
    with open_stream(path) as file:
        check_encoding(file, path, reading.encoding)
    with open_stream(path) as file:
        lines = iter_lines(file, reading.encoding)
        if kind == ".jsonl":
            yield from jsonl_records(lines, path, reading.title_column)
        else:
            yield from delimited_records(lines, path, reading.title_column, DELIMITERS[kind])


def _some(records: Iterator[Record], path: Path) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        raise EmptyFile("the file has no rows", str(path), "upload it again")
    yield first
    yield from records
