"""The rows of a batch's files, and which of them can be scored."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from headlines.sources import NoRows, Reading, Record, read_records, to_json
from headlines.text import LONGEST_TITLE, TOO_LONG, has_undecodable, problem_of_title


class Admitted(NamedTuple):
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


def checked(record: Record, reading: Reading) -> Admitted:
    """The row, if it can be scored.

    Raises:
        ValueError: it cannot; the message is the reason.
    """
    if record.problem:
        raise ValueError(record.problem)
    fields = record.fields
    title = fields.get(reading.title_column)
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    problem = problem_of_title(title)
    if problem == TOO_LONG and reading.long_titles == "cut":
        assert title is not None
        title = title[:LONGEST_TITLE]
        problem = problem_of_title(title)
    if problem:
        raise ValueError(problem)
    assert title is not None
    identity = fields.get(reading.id_column)
    if identity is not None:
        if isinstance(identity, bool | bytes | list | dict):
            raise ValueError("id is neither text nor a number")
        identity = str(identity)
        if has_undecodable(identity):
            raise ValueError("id has undecodable bytes")
    known = (reading.title_column, reading.id_column)
    others = {name: value for name, value in fields.items() if name not in known}
    extra = to_json(others) if others else None
    if extra is not None and has_undecodable(extra):
        raise ValueError("another column has undecodable bytes")
    return Admitted(record.row, identity, title, extra)


def records_of(paths: Sequence[Path], reading: Reading, *, alone: bool) -> Iterator[Record]:
    """The rows of files, numbered through.

    Args:
        paths: of the files.
        reading: how they are to be read.
        alone: whether they are one file, and the batch has no other.

    Raises:
        InputError: a file cannot be read.
        NoRows: the one file has none. Of several files some or all may be empty.
    """
    rows = 0
    for path in paths:
        before = rows
        try:
            for record in read_records(path, reading):
                rows += 1
                yield record._replace(row=before + record.row) if before else record
        except NoRows:
            if alone:
                raise
