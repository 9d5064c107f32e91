"""Reads JSON lines: one object per line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headlines.errors import InputError
from headlines.readers.record import Record
from headlines.readers.text_lines import Line

MAX_JSON_DEPTH = 50  # nested objects and lists; json and pyarrow recurse into them
# A file without a title in its first lines or bytes is refused.
_BYTES_BEFORE_TITLE = 32 << 20
_LINES_BEFORE_TITLE = 1_000


def jsonl_records(lines: Iterator[Line], path: Path, title_column: str) -> Iterator[Record]:
    """Yield every line that is not blank.

    Raises:
        InputError: none of the first lines is an object with the key `title_column`; no row was
            yielded then.
    """
    held: list[Record] = []
    held_bytes = 0
    seen_title = False
    row = 0
    for line in lines:
        text = line.text.strip("\r\n\t ")
        if not text:
            continue
        fields, problem = _json_object(text)
        held.append(Record(row, fields, line.raw[: len(line.raw) - line.end], problem))
        row += 1
        seen_title = seen_title or title_column in fields
        held_bytes += len(line.raw)
        if not seen_title and (row > _LINES_BEFORE_TITLE or held_bytes > _BYTES_BEFORE_TITLE):
            break
        if seen_title:
            yield from held
            held.clear()
    if held:
        raise InputError(
            f"no line is a JSON object with the key {title_column!r}",
            str(path),
            f'write one object per line, e.g. {{"{title_column}": "…"}}, or name the key with '
            "--title-column",
        )


def _json_object(text: str) -> tuple[dict[str, Any], str | None]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return {}, f"malformed JSON ({error.msg})"  # without its position: reasons are counted
    except (ValueError, RecursionError):
        return {}, "malformed JSON"
    if not isinstance(value, dict):
        return {}, "the line is no JSON object"
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        return {}, f"the JSON is nested deeper than {MAX_JSON_DEPTH} levels"
    return value, None


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
