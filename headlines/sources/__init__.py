"""Reads files of headlines: CSV, TSV, JSONL and Parquet, plain, gzip or zstd, row by row.

Every row of a file becomes one `Record`. A row that cannot be read says why and keeps its raw
bytes; a file that cannot be read as a whole raises `InputError`.
"""

import errno
from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.sources.delimited import DELIMITERS, delimited_records
from headlines.sources.files import ENDINGS, format_of, opened, suffix_of
from headlines.sources.jsonl import jsonl_records
from headlines.sources.lines import check_encoding, text_lines
from headlines.sources.reading import Reading
from headlines.sources.record import Record, to_json

__all__ = ["ENDINGS", "NoRows", "Reading", "Record", "read_records", "suffix_of", "to_json"]


_NOT_THERE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


class NoRows(InputError):
    """A file is whole, and has no rows."""


def read_records(path: Path, reading: Reading) -> Iterator[Record]:
    """Every row of a file, in order.

    Args:
        path: a file whose ending is one of `ENDINGS`.
        reading: how it is to be read.

    Raises:
        NoRows: the file is empty, or a header alone.
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


def _records(path: Path, reading: Reading) -> Iterator[Record]:
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise InputError("not a file", str(path), "name the files in it one by one")
    kind = format_of(path)
    if path.stat().st_size == 0:
        raise NoRows("the file is empty", str(path), "upload it again")
    if kind == ".parquet":
        from headlines.sources.parquet import parquet_records  # pyarrow, where it is needed

        yield from parquet_records(path, reading.title_column)
        return
    with opened(path) as file:
        check_encoding(file, path, reading.encoding)
    with opened(path) as file:
        lines = text_lines(file, reading.encoding)
        if kind == ".jsonl":
            yield from jsonl_records(lines, path, reading.title_column)
        else:
            yield from delimited_records(lines, path, reading.title_column, DELIMITERS[kind])


def _some(records: Iterator[Record], path: Path) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        raise NoRows("the file has no rows", str(path), "upload it again")
    yield first
    yield from records
