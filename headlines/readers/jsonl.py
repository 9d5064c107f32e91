"""Reads JSON lines: one object per line."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headlines.errors import InputError
from headlines.readers.read_options import ReadOptions
from headlines.readers.record import Record, alike_column, missing_column
from headlines.readers.text_lines import Line

MAX_JSON_DEPTH = 50  # nested objects and lists; json and pyarrow recurse into them
# A file without a title in its first lines or bytes is refused.
_BYTES_BEFORE_TITLE = 32 << 20
_LINES_BEFORE_TITLE = 1_000


def jsonl_records(lines: Iterator[Line], path: Path, options: ReadOptions) -> Iterator[Record]:
    """Yield every line that is not blank.

    A line that has the key of its title or its id twice has a problem; one that has another key
    twice has a warning, and the last value.

    Raises:
        InputError: none of the first lines is an object with the key of the titles; no row was
            yielded then.
    """
    title_column = options.title_column
    held: list[Record] = []
    held_bytes = 0
    seen_title = False
    for record, size in _records(lines, options):
        held.append(record)
        seen_title = seen_title or title_column in record.fields
        held_bytes += size
        if not seen_title and (
            record.row >= _LINES_BEFORE_TITLE or held_bytes > _BYTES_BEFORE_TITLE
        ):
            break
        if seen_title:
            yield from held
            held.clear()
    if held:
        raise _no_title(held, path, title_column)


def rows_of_lines(lines: Iterator[Line], options: ReadOptions) -> Iterator[Record]:
    """Yield every line that is not blank as `jsonl_records` does, whether it has titles or not."""
    return (record for record, _ in _records(lines, options))


def _records(lines: Iterator[Line], options: ReadOptions) -> Iterator[tuple[Record, int]]:
    """The record of each line that is not blank, and the bytes of the line."""
    parser = _Parser((options.title_column, options.ids_from))
    row = 0
    for line in lines:
        text = line.text.strip("\r\n\t ")
        if not text:
            continue
        fields, problem, warnings = parser.parse(text)
        if line.problem:
            fields, problem, warnings = {}, line.problem, ()
        raw = line.raw[: len(line.raw) - line.end]
        yield Record(row, fields, raw, problem, warnings), len(line.raw)
        row += 1


def _no_title(records: Sequence[Record], path: Path, title_column: str) -> InputError:
    keys = list(dict.fromkeys(key for record in records for key in record.fields))
    if alike_column(keys, title_column) is not None:
        return missing_column(keys, path, title_column, "--title-column")
    first = next((record.raw for record in records), b"")
    if title_column.encode() in first and not first.lstrip().startswith((b"{", b"[")):
        return InputError(
            "the first line is a header, not JSON",
            str(path),
            "let its name end in .csv or .tsv, or add --format csv or tsv to `score -`",
        )
    example = f'write one object per line, e.g. {{"{title_column}": "…"}}'
    return InputError(
        f"no line is a JSON object with the key {title_column!r}",
        str(path),
        f"{example}, or name the key with --title-column",
    )


class _Parser:
    """Parses lines of JSON, and notes the keys that an object has twice."""

    def __init__(self, unique: Sequence[str]) -> None:
        self._unique = unique
        self._repeated: list[str] = []  # keys of the object that was parsed last: the outermost
        self._repeated_inside: list[str] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def parse(self, text: str) -> tuple[dict[str, Any], str | None, tuple[str, ...]]:
        """The object on a line, why it cannot be used, and warnings."""
        self._repeated, self._repeated_inside = [], []
        try:
            value = self._decoder.decode(text)
        except json.JSONDecodeError as error:
            return {}, f"malformed JSON ({error.msg})", ()  # no position: reasons are counted
        except (ValueError, RecursionError):
            return {}, "malformed JSON", ()
        if not isinstance(value, dict):
            return {}, "the line is no JSON object", ()
        if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
            return {}, f"the JSON is nested deeper than {MAX_JSON_DEPTH} levels", ()
        for key in self._repeated:
            if key in self._unique:
                return {}, _duplicate_key(key), ()
        repeated = dict.fromkeys([*self._repeated, *self._repeated_inside])
        return value, None, tuple(map(_duplicate_key, repeated))

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        self._repeated_inside += self._repeated
        self._repeated = []
        if len(fields) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            self._repeated = [key for key, times in counts.items() if times > 1]
        return fields


def _duplicate_key(key: str) -> str:
    return f"duplicate key {json.dumps(key, ensure_ascii=False)}"


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
