from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import ReadOptions, read_records

from .sources import read, titles


def test_unclosed_quote_loses_only_its_line(tmp_path: Path) -> None:
    content = 'title,id\n好,1\n"没有结束,2\n大涨,3\n"他说""好""",4\n下跌,5\n'.encode()
    records = read(tmp_path / "a.csv", content)
    assert [record.row for record in records] == [0, 1, 2, 3, 4]
    assert [record.problem is None for record in records] == [True, False, True, True, True]
    assert "quote" in str(records[1].problem)
    assert records[1].raw == '"没有结束,2'.encode()
    assert records[3].fields == {"title": '他说"好"', "id": "4"}
    assert records[4].fields == {"title": "下跌", "id": "5"}


def test_unclosed_quote_on_the_last_or_every_line(tmp_path: Path) -> None:
    last = read(tmp_path / "a.csv", b'title\nx\n"y')
    assert [(record.raw, record.problem is None) for record in last] == [
        (b"x", True),
        (b'"y', False),
    ]
    every = read(tmp_path / "a.csv", b"title,id\n" + b'"y,1\n' * 50)
    assert [record.raw for record in every] == [b'"y,1'] * 50
    assert all(record.problem for record in every)


def test_unclosed_quote_before_text_over_the_field_limit(tmp_path: Path) -> None:
    lines = [f"标题{number}" for number in range(40_000)]
    content = "\n".join(["title", '"开', *lines]).encode()
    records = read(tmp_path / "a.csv", content)
    assert [record.row for record in records if record.problem] == [0]
    assert titles(records[1:]) == lines


def test_quoted_line_breaks_and_delimiters_are_kept(tmp_path: Path) -> None:
    content = b'title,id\r\n"a,b\r\nc",1\r\n\r\nd,2'
    records = read(tmp_path / "a.csv", content)
    assert [record.fields for record in records] == [
        {"title": "a,b\r\nc", "id": "1"},
        {"title": "d", "id": "2"},
    ]
    assert records[0].raw == b'"a,b\r\nc",1'


@pytest.mark.parametrize("row", ["x", "x,", "x,1,2,3", ",,,,"])
def test_row_with_wrong_number_of_columns_is_a_problem(tmp_path: Path, row: str) -> None:
    bad, good = read(tmp_path / "a.csv", f"title,id,label\n{row}\n好,1,0\n".encode())
    assert "columns where the header has 3" in str(bad.problem)
    assert bad.fields == {}
    assert bad.raw == row.encode()
    assert good.fields == {"title": "好", "id": "1", "label": "0"}


def test_nul_byte_is_kept_and_long_field_is_a_problem(tmp_path: Path) -> None:
    long = b"x" * ((1 << 20) + 1)
    records = read(tmp_path / "a.csv", b"title\na\x00b\n" + long + b"\nc\n")
    assert records[0].fields == {"title": "a\x00b"}
    assert "field larger than field limit" in str(records[1].problem)
    assert records[1].raw == long
    assert records[2].fields == {"title": "c"}


CELL = st.text(st.sampled_from("股a1 \",\t\n'=-;|\\é🎉")) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=6
)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6))
@settings(max_examples=150)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_clean_tables_match_pandas(folder: Path, suffix: str, rows: list[tuple[str, str]]) -> None:
    path, sep = folder / f"table{suffix}", {".csv": ",", ".tsv": "\t"}[suffix]
    frame = pd.DataFrame(rows, columns=["title", "标签"], dtype=str)
    frame.to_csv(path, sep=sep, index=False)
    expected = pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False, na_filter=False)
    records = list(read_records(path, ReadOptions(quoting="csv")))
    assert [record.problem for record in records] == [None] * len(rows)
    assert [record.fields for record in records] == expected.to_dict("records")
    assert [record.fields for record in records] == frame.to_dict("records")


def lines_in(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if line]


@given(
    tail=st.binary(max_size=80)
    | st.lists(
        st.sampled_from([b'"', b",", b"\t", b"\n", b"\r", b"\x00", b"a", b"\xe8", b" "])
    ).map(b"".join)
)
@settings(max_examples=300)
@example(tail=b'"a,b\nc",d\n')
@example(tail=b'"\n"\n"\n')
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_any_line_belongs_to_one_record(folder: Path, suffix: str, tail: bytes) -> None:
    header = {".csv": b"title,id\n", ".tsv": b"title\tid\n"}[suffix]
    try:
        records = read(folder / f"any{suffix}", header + tail)
    except InputError:
        return
    assert [record.row for record in records] == list(range(len(records)))
    assert [line for record in records for line in lines_in(record.raw)] == lines_in(tail)
    assert all((record.problem is None) == bool(record.fields) for record in records)


def test_article_of_many_lines_is_one_field(tmp_path: Path) -> None:
    body = "第一行\n" * 30_000
    records = read(tmp_path / "a.csv", f'title,body\n甲,"{body}"\n乙,x\n'.encode())
    assert [record.fields["title"] for record in records] == ["甲", "乙"]
    assert records[0].fields["body"] == body
