"""Reads files of headlines: CSV, TSV, JSONL and Parquet, row by row, losing none.

Every row of a file becomes one `Record`. A row that cannot be read says why and keeps its raw
bytes; a file that cannot be read as a whole raises `InputError`.
"""

import base64
import csv
import io
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.errors import InputError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
TITLE = "title"
_DIALECTS = {".csv": ",", ".tsv": "\t"}
_PROBE_BYTES = 8 << 20  # enough of a file to tell its encoding
_LONGEST_FIELD = 131_072  # characters, csv's own limit
_LINES_BEFORE_TITLE = 1_000  # a JSONL file that has shown no title by then has none


@dataclass(frozen=True, slots=True)
class Record:
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
        return to_json(self.fields).encode("utf-8", "surrogateescape")


def read_records(path: Path, encoding: str = "utf-8") -> Iterator[Record]:
    """Every row of a file, in order.

    Args:
        path: a file whose ending is one of `SUFFIXES`.
        encoding: of the text formats; a byte order mark of UTF-8 is taken off.

    Raises:
        InputError: the file is missing, empty, of another format, in another encoding, damaged,
            or has no column `title`.
    """
    _check_file(path)
    if path.suffix == ".parquet":
        records = _parquet_records(path)
    else:
        check_encoding(path, encoding)
        codec = "utf-8-sig" if _is_utf8(encoding) else encoding
        with path.open("r", encoding=codec, errors="surrogateescape", newline="") as file:
            if path.suffix == ".jsonl":
                yield from _some(_jsonl_records(file, path, codec), path)
            else:
                yield from _some(_csv_records(file, path, codec), path)
        return
    yield from _some(records, path)


def check_encoding(path: Path, encoding: str) -> None:
    """See that a text file is what its encoding says, before a title becomes mojibake.

    Single rows with undecodable bytes are left to the reader; here the file as a whole counts.

    Raises:
        InputError: the encoding is not known, most lines with Chinese text do not decode, or the
            file is UTF-8 though another encoding was declared.
    """
    try:
        "".encode(encoding)
    except LookupError:
        raise InputError(
            f"the encoding {encoding!r} is not known", str(path), "use utf-8, gb18030 or big5"
        ) from None
    with path.open("rb") as file:
        head = file.read(_PROBE_BYTES)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not encoding.lower().startswith("utf-16"):
        raise InputError("the file is UTF-16", str(path), "add --encoding utf-16")
    good, bad = _decodable_lines(head, "utf-8")
    if _is_utf8(encoding):
        if bad > good:
            raise InputError(
                f"the file is not UTF-8 ({bad} of the first {good + bad} lines with other than "
                "ASCII do not decode)",
                str(path),
                f"add --encoding {_guessed_encoding(head)}, or save it as UTF-8",
            )
    elif good > bad and good + bad >= 3 and not encoding.lower().startswith("utf-16"):
        raise InputError(f"the file is UTF-8, not {encoding}", str(path), "leave --encoding away")


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


# --- CSV and TSV ---------------------------------------------------------------------------


class _Lines:
    """Lines of a text file for `csv.reader`, which remembers those of the row being read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line

    def keep_first(self) -> None:
        """Give back all lines of this row but the first: they are read again as rows."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _csv_records(file: io.TextIOBase, path: Path, encoding: str) -> Iterator[Record]:
    lines = _Lines(iter(file))
    delimiter = _DIALECTS[path.suffix]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(reader, path)
    row = 0
    while True:
        lines.taken.clear()
        problem = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], f"malformed row ({error})"
        if problem is None and not values:
            continue  # a blank line between rows, as every reader of CSV takes it
        if problem is None and len(values) != len(header):
            problem = f"{len(values)} columns where the header has {len(header)}"
        if problem is not None and len(lines.taken) > 1:
            # A quote that was never closed has run over the rows after it: only the line it
            # stands on is bad.
            lines.keep_first()
            problem = "malformed row (a quote that is not closed)"
        raw = _bytes_of("".join(lines.taken).rstrip("\r\n"), encoding)
        if problem is None:
            yield Record(row, dict(zip(header, values, strict=True)), raw)
        else:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield Record(row, {}, raw, problem)
        row += 1


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        header = next((row for row in reader if row), [])
    except csv.Error as error:
        raise InputError(
            f"the first line is no header ({error})", str(path), "name the columns there"
        ) from error
    _check_columns(header, path)
    return header


def _check_columns(columns: Sequence[str], path: Path) -> None:
    if TITLE not in columns:
        shown = ", ".join(repr(name[:40]) for name in columns[:8])
        raise InputError(
            f"there is no column {TITLE!r} (the file has {shown})",
            str(path),
            f"rename the column of the headlines to {TITLE!r}",
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(
            f"the column {twice[0]!r} stands there twice", str(path), "rename or drop one"
        )


# --- JSON lines ----------------------------------------------------------------------------


def _jsonl_records(file: io.TextIOBase, path: Path, encoding: str) -> Iterator[Record]:
    row = 0
    seen_title = False
    for line in file:
        text = line.strip("\r\n\t ")
        if not text:
            continue
        fields, problem = _json_object(text)
        seen_title = seen_title or TITLE in fields
        if not seen_title and row >= _LINES_BEFORE_TITLE:
            break
        yield Record(row, fields, _bytes_of(line.rstrip("\r\n"), encoding), problem)
        row += 1
    if row and not seen_title:
        raise InputError(
            f"no line is a JSON object with the key {TITLE!r}",
            str(path),
            f'write one object a line, e.g. {{"{TITLE}": "…"}}',
        )


def _json_object(text: str) -> tuple[dict[str, Any], str | None]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, f"malformed JSON ({str(error)[:80]})"
    if not isinstance(value, dict):
        return {}, "the line is no JSON object"
    return value, None


# --- Parquet -------------------------------------------------------------------------------


def _parquet_records(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_columns(schema.names, path)
            kind = schema.field(TITLE).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise InputError(
                    f"the column {TITLE!r} holds {kind}, not text", str(path), "save it as text"
                )
            row = 0
            for batch in file.iter_batches(batch_size=8_192):
                columns = [_values(batch.column(name)) for name in schema.names]
                for values in zip(*columns, strict=True):
                    fields = dict(zip(schema.names, values, strict=True))
                    yield Record(row, fields)
                    row += 1
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"not a readable Parquet file ({reason})", str(path), "upload it again"
        ) from error


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # By way of bytes: Parquet does not promise that its text is UTF-8.
        as_bytes = column.cast(pa.large_binary()).to_pylist()
        return [
            None if value is None else value.decode("utf-8", "surrogateescape")
            for value in as_bytes
        ]
    values: list[Any] = column.to_pylist()
    return values


# --- bytes and text ------------------------------------------------------------------------


def to_json(fields: dict[str, Any]) -> str:
    """The fields as one JSON object with sorted keys; what JSON does not know becomes text."""
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


def _bytes_of(text: str, encoding: str) -> bytes:
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    return text.encode(codec, "surrogateescape")


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}


def _decodable_lines(content: bytes, encoding: str) -> tuple[int, int]:
    good = bad = 0
    lines = content.split(b"\n")
    if len(content) == _PROBE_BYTES:
        lines.pop()  # cut in two by the end of the probe
    for line in lines:
        if line.isascii():
            continue
        try:
            line.decode(encoding)
            good += 1
        except UnicodeDecodeError:
            bad += 1
    return good, bad


def _guessed_encoding(content: bytes) -> str:
    for encoding in ("gb18030", "big5"):
        good, bad = _decodable_lines(content, encoding)
        if good > bad:
            return encoding
    return "with the name of its encoding"
