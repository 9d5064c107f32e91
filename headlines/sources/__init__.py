"""Reads files of headlines: CSV, TSV, JSONL and Parquet, row by row, losing none.

Every row of a file becomes one `Record`. A row that cannot be read says why and keeps its raw
bytes; a file that cannot be read as a whole raises `InputError`.
"""

from collections.abc import Iterator
from pathlib import Path

from headlines.errors import InputError
from headlines.sources.delimited import delimited_records
from headlines.sources.jsonl import jsonl_records
from headlines.sources.lines import check_encoding, text_lines
from headlines.sources.record import TITLE, Record, to_json

__all__ = ["SUFFIXES", "TITLE", "Record", "read_records", "to_json"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_records(path: Path, encoding: str = "utf-8") -> Iterator[Record]:
    """Every row of a file, in order.

    Args:
        path: a file whose ending is one of `SUFFIXES`.
        encoding: of the text formats; a byte order mark of UTF-8 is taken off.

    Raises:
        InputError: the file is missing, empty, of another format, in another encoding, damaged,
            or has no column `title`.
    """
    try:
        _check_file(path)
        if path.suffix == ".parquet":
            from headlines.sources.parquet import parquet_records  # pyarrow, where it is needed

            yield from _some(parquet_records(path), path)
            return
        check_encoding(path, encoding)
        read = jsonl_records if path.suffix == ".jsonl" else delimited_records
        yield from _some(read(text_lines(path, encoding), path), path)
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({error.strerror})", str(path), "check path and permissions"
        ) from error
    except UnicodeError as error:
        raise InputError(
            f"the file is not {encoding} ({error})", str(path), "check --encoding"
        ) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise InputError("not a file", str(path), "name the files in it one by one")
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"files of the kind {path.suffix or 'without an ending'!r} are not read",
            str(path),
            f"use one of {', '.join(SUFFIXES)}",
        )
    if path.stat().st_size == 0:
        raise InputError("the file is empty", str(path), "upload it again")


def _some(records: Iterator[Record], path: Path) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        raise InputError("the file has no rows", str(path), "upload it again")
    yield first
    yield from records
