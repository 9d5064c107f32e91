"""`Record`, one row of a file of headlines, and the check of the file's columns."""

import base64
import json
import math
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from headlines.errors import InputError

json_text = json.encoder.encode_basestring  # a text in JSON, not ASCII alone


class Record(NamedTuple):
    """One row of a file.

    Attributes:
        row: its position in the file, from 0; the header does not count.
        fields: column name to value; always text in formats without types.
        line: its bytes as they are in the file; None if the format has no lines.
        problem: why the row cannot be read; `fields` is then empty.
        warnings: what a person should know of a row that can be read.
    """

    row: int
    fields: dict[str, Any]
    line: bytes | None = None
    problem: str | None = None
    warnings: tuple[str, ...] = ()

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


def check_columns(columns: Sequence[str], path: Path, required: Mapping[str, str]) -> None:
    """Check that a file has the columns that it must have, and no column twice.

    Args:
        columns: their names.
        path: of the file.
        required: each name that must be there, with the option that gives it.

    Raises:
        InputError: a column is missing, or occurs twice.
    """
    for name, option in required.items():
        if name not in columns:
            raise missing_column(columns, path, name, option)
    name, times = Counter(columns).most_common(1)[0]
    if times > 1:
        raise InputError(f"the column {name!r} occurs twice", str(path), "rename or remove one")


def missing_column(columns: Sequence[str], path: Path, name: str, option: str) -> InputError:
    """The error of a file without a column; it names one that differs in little."""
    alike = alike_column(columns, name)
    if alike is not None:
        return InputError(
            f"there is no column {name!r}, but {alike!r}, which differs in case or white space",
            str(path),
            f"give {option} {shlex.quote(alike)}, or rename the column",
        )
    first_columns = ", ".join(repr(column[:40]) for column in columns[:8])
    hint = "give the column of the headlines with --title-column, or rename it"
    if option != "--title-column":
        hint = f"name a column of the file with {option}, or remove the option"
    return InputError(
        f"there is no column {name!r} (the file has {first_columns})", str(path), hint
    )


def alike_column(columns: Iterable[str], name: str) -> str | None:
    """The first column of a name, but for its case and white space; None if there is none."""
    return next((column for column in columns if _folded(column) == _folded(name)), None)


def _folded(name: str) -> str:
    """A name without what people do not see or type otherwise: case, width and white space."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split()).strip("\ufeff\u200b")


def to_json(fields: dict[str, Any]) -> str:
    """The fields as one JSON object with sorted keys; values unknown to JSON become text."""
    if all(type(value) is str for value in fields.values()):  # as in CSV; 3× faster
        members = [f"{json_text(name)}:{json_text(fields[name])}" for name in sorted(fields)]
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
    return _iso_duration(value) if isinstance(value, timedelta) else str(value)


def _iso_duration(duration: timedelta) -> str:
    """A duration in ISO 8601, such as `P1DT2H3M4.5S`."""
    sign, size = ("-", -duration) if duration < timedelta() else ("", duration)
    minutes, seconds = divmod(size.seconds, 60)
    # pandas has nanoseconds
    fraction = f"{size.microseconds:06}{getattr(size, 'nanoseconds', 0):03}".rstrip("0")
    hours, minutes = divmod(minutes, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if seconds or fraction:
        time += f"{seconds}.{fraction}S" if fraction else f"{seconds}S"
    days = f"{size.days}D" if size.days else ""
    return f"{sign}P{days}T{time}" if time else f"{sign}P{days or 'T0S'}"
