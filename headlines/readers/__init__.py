"""Reads CSV, TSV, JSONL and Parquet files of headlines, plain, gzip or zstd, row by row.

Every row becomes one `Record`; a row that cannot be read carries the problem and its raw bytes.
A file that cannot be read as a whole raises `InputError`.
"""

import errno
from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.readers.delimited import DELIMITERS, delimited_records
from headlines.readers.encodings import check_encoding
from headlines.readers.formats import SUPPORTED_SUFFIXES, data_suffix, format_of, open_stream
from headlines.readers.jsonl import jsonl_records
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, to_json
from headlines.readers.text_lines import iter_lines

__all__ = [
    "SUPPORTED_SUFFIXES",
    "EmptyFile",
    "ReadOptions",
    "Record",
    "data_suffix",
    "read_records",
    "to_json",
]

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
            not the declared one, or it has no column of titles.
    """
    records = _records(path, options, work)
    try:
        first = next(records, None)
        if first is None:
            raise EmptyFile("the file has no rows", str(path), "upload it again")
        yield first
        yield from records
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


def _records(path: Path, options: ReadOptions, work: Path | None) -> Iterator[Record]:
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise InputError("not a file", str(path), "pass the files inside it one by one")
    file_format = format_of(path)
    if path.stat().st_size == 0:
        raise EmptyFile("the file is empty", str(path), "upload it again")
    if file_format == ".parquet":
        from headlines.readers.parquet import parquet_records  # imports pyarrow

        yield from parquet_records(path, options.title_column, work)
        return
    with open_stream(path) as file:
        check_encoding(file, path, options.encoding)
    with open_stream(path) as file:
        lines = iter_lines(file, options.encoding)
        if file_format == ".jsonl":
            yield from jsonl_records(lines, path, options.title_column)
        else:
            delimiter = DELIMITERS[file_format]
            yield from delimited_records(lines, path, options.title_column, delimiter)
