"""The rows of a batch's files, and which of them can be scored."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from headlines.readers import (
    EmptyFile,
    ReadOptions,
    Record,
    read_blocks,
    read_records,
    to_json,
)
from headlines.readers.record import alike_column
from headlines.readers.row_block import RowBlock
from headlines.readers.titles import MAX_TITLE, TOO_LONG, has_undecodable, title_problem

# pandas makes floats of a column of integers with gaps. They are exact up to 2^53; no program has
# integers beyond 64 bits.
_MAX_INTEGER = 2.0**64


class ValidRow(NamedTuple):
    """A row that can be scored.

    Attributes:
        row: its position in what is read, from 0.
        id: the batch's own identity of it, if it has one.
        title: the headline.
        extra: its other columns as one JSON object, if it has any.
    """

    row: int
    id: str | None
    title: str
    extra: str | None


def validate_row(record: Record, options: ReadOptions) -> ValidRow:
    """The row, if it can be scored.

    Raises:
        ValueError: it cannot; the message is the reason.
    """
    if record.problem:
        raise ValueError(record.problem)
    fields = record.fields
    title = fields.get(options.title_column)
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    problem = title_problem(title)
    if problem == TOO_LONG and options.long_titles == "cut":
        assert title is not None
        title = title[:MAX_TITLE]
        problem = title_problem(title)
    if problem:
        raise ValueError(problem)
    assert title is not None
    identity = _identity(fields.get(options.ids_from))
    known = (options.title_column, options.ids_from)
    others = {name: value for name, value in fields.items() if name not in known}
    extra = to_json(others) if others else None
    if extra is not None and has_undecodable(extra):
        raise ValueError("another column has undecodable bytes")
    return ValidRow(record.row, identity, title, extra)


def _identity(value: object) -> str | None:
    """The id of a row as text; None where it has none.

    Raises:
        ValueError: it has a value that cannot be an id.
    """
    if value is None:
        return None
    if isinstance(value, bool | bytes | list | dict):
        raise ValueError("id is neither text nor a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if value.is_integer() and abs(value) < _MAX_INTEGER:
            return str(int(value))
    text = str(value)
    if has_undecodable(text):
        raise ValueError("id has undecodable bytes")
    return text


def iter_records(paths: Sequence[Path], options: ReadOptions, work: Path) -> Iterator[Record]:
    """The rows of files, numbered through; files may be empty.

    Args:
        paths: of the files.
        options: how they are read.
        work: directory for temporary files.

    Raises:
        InputError: a file cannot be read.
    """
    rows = 0
    for path in paths:
        before = rows
        with contextlib.suppress(EmptyFile):
            for record in read_records(path, options, work):
                if rows == before:
                    record = _warn_of_missing_ids(record, options.ids_from)
                rows += 1
                yield record._replace(row=before + record.row) if before else record


def iter_blocks(paths: Sequence[Path], options: ReadOptions, work: Path) -> Iterator[RowBlock]:
    """The rows of files as `iter_records` gives them, in blocks."""
    rows = 0
    for path in paths:
        before = rows
        with contextlib.suppress(EmptyFile):
            for block in read_blocks(path, options, work):
                if rows == before:
                    block.records[0] = _warn_of_missing_ids(block.records[0], options.ids_from)
                rows += block.row_count
                yield block.shifted(before)


def _warn_of_missing_ids(first: Record, ids: str) -> Record:
    """The first row of a file, with a warning if a column may have been meant for the ids."""
    alike = None if ids in first.fields else alike_column(first.fields, ids)
    if alike is None:
        return first
    warning = f"there are no ids: the column {alike!r} is not called {ids!r}"
    return first._replace(warnings=(*first.warnings, warning))
