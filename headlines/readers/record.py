"""One row of a file of headlines, and the columns that such a file must have."""

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from headlines.errors import InputError

_quoted = json.encoder.encode_basestring


class Record(NamedTuple):
    """One row of a file.

    Attributes:
        row: its position in the file, from 0; the header does not count.
        fields: column name to value; text where the format has no types.
        line: its bytes as they stand in the file; None where the format has no lines.
        problem: why the row cannot be read; `fields` is then empty.
    """

    row: int
    fields: dict[str, Any]
    line: bytes | None = None
    problem: str | None = None

    @property
    def raw(self) -> bytes:
        """The row's bytes as they stand in the file, else the row as JSON."""
        if self.line is not None:
            return self.line
        text = to_json(self.fields)
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # surrogates that stand for no byte: a pickle may hold them
            return text.encode("utf-8", "surrogatepass")


def check_columns(columns: Sequence[str], path: Path, title_column: str) -> None:
    """See that a file has a column of titles, and none twice.

    Raises:
        InputError: it has not.
    """
    if title_column not in columns:
        shown = ", ".join(repr(name[:40]) for name in columns[:8])
        raise InputError(
            f"there is no column {title_column!r} (the file has {shown})",
            str(path),
            "name the column of the headlines with --title-column, or rename it",
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(
            f"the column {twice[0]!r} stands there twice", str(path), "rename or drop one"
        )


def to_json(fields: dict[str, Any]) -> str:
    """The fields as one JSON object with sorted keys; what JSON does not know becomes text."""
    if all(type(value) is str for value in fields.values()):  # as in CSV: three times as soon
        members = [f"{_quoted(name)}:{_quoted(fields[name])}" for name in sorted(fields)]
        return f"{{{','.join(members)}}}"
    return json.dumps(_plain(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)
