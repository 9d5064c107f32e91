import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import ReadOptions, read_records, to_json

from .sources import read


def test_jsonl_without_titles_is_refused_after_1000_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"headline": "x"}\n' * 1_000 + b'{"title": "x"}\n' * 10)
    assert len(list(read_records(path, ReadOptions()))) == 1_010
    path.write_bytes(b'{"headline": "x"}\n' * 2_000)
    with pytest.raises(InputError, match="'title'"):
        next(read_records(path, ReadOptions()))


def test_jsonl_keeps_types_and_reports_bad_lines(tmp_path: Path) -> None:
    lines = [
        '{"title": "股市", "label": 1, "tags": ["a"]}',
        "{",
        '["title"]',
        '{"title": "\\ud800"}',
        '{"title": "晴", "n": ' + "9" * 5_000 + "}",
        '{"title": null}',
        '{"title": "x", "nan": NaN}',
    ]
    records = read(tmp_path / "a.jsonl", ("\n\n".join(lines) + "\n \n").encode())
    assert [record.raw.decode() for record in records] == lines
    assert records[0].fields == {"title": "股市", "label": 1, "tags": ["a"]}
    assert "malformed JSON" in str(records[1].problem)
    assert records[2].problem == "the line is no JSON object"
    assert records[3].fields == {"title": "\ud800"}
    assert "malformed JSON" in str(records[4].problem)
    assert records[5].fields == {"title": None}
    assert to_json(records[6].fields) == '{"nan":null,"title":"x"}'


@pytest.mark.parametrize("depth", [49, 50, 900, 100_000])
def test_deeply_nested_json_is_a_problem_of_its_row(tmp_path: Path, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    content = f'{{"title": "好", "x": {nested}}}\n{{"title": "晴", "s": "{"[" * 99}"}}\n'
    deep, flat = read(tmp_path / "a.jsonl", content.encode())
    assert (deep.problem is None) == (depth == 49)
    assert to_json(deep.fields)
    assert flat.fields == {"title": "晴", "s": "[" * 99}


@given(
    st.lists(
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
            st.none() | st.integers() | st.text(max_size=4) | st.lists(st.booleans(), max_size=2),
            max_size=3,
        ).map(lambda fields: {"title": "好", **fields}),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_jsonl_reads_back_what_json_wrote(
    folder: Path, rows: list[dict[str, Any]], as_ascii: bool
) -> None:
    text = "".join(json.dumps(row, ensure_ascii=as_ascii) + "\n" for row in rows)
    try:
        content = text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no place in UTF-8
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert [record.fields for record in read(folder / "back.jsonl", content)] == rows


@given(st.lists(st.binary(max_size=20) | st.just(b'{"title": "x"}'), max_size=6))
@example([b"\xef\xbb\xbf"])
@settings(max_examples=300)
def test_any_jsonl_line_is_one_record(folder: Path, parts: list[bytes]) -> None:
    content = b"\n".join([b'{"title": "x"}', *parts])
    try:
        records = read(folder / "any.jsonl", content)
    except InputError:
        return
    lines = [
        line
        for line in content.splitlines()
        if line.decode("utf-8", "surrogateescape").lstrip("\ufeff").strip("\t ")
    ]
    assert [record.raw for record in records] == lines
