"""`Record`, one row of a file of headlines, and the check of the file's columns."""

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
        fields: column name to value; always text in formats without types.
        line: its bytes as they are in the file; None if the format has no lines.
        problem: why the row cannot be read; `fields` is then empty.
    """

    row: int
    fields: dict[str, Any]
    line: bytes | None = None
    problem: str | None = None

    @property
    def raw(self) -> bytes:
        """The row's bytes as they are in the file, else the row as JSON."""
        if self.line is not None:
            return self.line
        text = to_json(self.fields)
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # surrogates that are no undecoded bytes, as in a pickle
            return text.encode("utf-8", "surrogatepass")


def check_columns(columns: Sequence[str], path: Path, title_column: str) -> None:
    """Check that a file has a column of titles and no column twice.

    Raises:
        InputError: it does not.
    """
    if title_column not in columns:
        first_columns = ", ".join(repr(name[:40]) for name in columns[:8])
        raise InputError(
            f"there is no column {title_column!r} (the file has {first_columns})",
            str(path),
            "give the column of the headlines with --title-column, or rename it",
        )
    duplicates = sorted({name for name in columns if columns.count(name) > 1})
    if duplicates:
        raise InputError(
            f"the column {duplicates[0]!r} occurs twice", str(path), "rename or remove one"
        )


def to_json(fields: dict[str, Any]) -> str:
    """The fields as one JSON object with sorted keys; values unknown to JSON become text."""
    if all(type(value) is str for value in fields.values()):  # as in CSV; 3× faster
        members = [f"{_quoted(name)}:{_quoted(fields[name])}" for name in sorted(fields)]
        return f"{{{','.join(members)}}}"
    return json.dumps(_to_plain(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _to_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)
