import codecs
import gzip
import io
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import (
    ReadOptions,
    Record,
    data_suffix,
    delimited,
    read_records,
    text_lines,
    to_json,
)
from headlines.readers.formats import FORMATS
from headlines.storage.layout import Catalog

TITLES = ["股市大跌", "某地地震，十人失去住家", "明天放晴"]  # in GB 2312 and in Big5
ENCODINGS = ["utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-be", "utf-32", "utf-7", "hz"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


def read(path: Path, content: bytes, encoding: str = "utf-8") -> list[Record]:
    path.write_bytes(content)
    return list(read_records(path, ReadOptions(encoding)))


def refused(path: Path, content: bytes, encoding: str = "utf-8") -> InputError:
    with pytest.raises(InputError) as caught:
        read(path, content, encoding)
    assert caught.value.location == str(path)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def titles(records: list[Record]) -> list[Any]:
    return [record.fields["title"] for record in records]


def bad_string_array() -> pa.Array:
    """Text whose first value is not UTF-8, as some writers of Parquet let pass."""
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0\x04\0\0\0"), pa.py_buffer(b"\xff\xfeab")
    return pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])


# --- files as a whole ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    assert refused(tmp_path / f"a{suffix}", b"").problem == "the file is empty"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"title\n"),
        ("a.csv", b"title"),
        ("a.tsv", b"title\tid\n\n\n"),
        ("a.jsonl", b"\n\r\n \n"),
    ],
)
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert refused(tmp_path / name, content).problem == "the file has no rows"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "标题,id\n股市大涨,1\n".encode()),
        ("a.csv", b"\n\n"),
        ("a.csv", b"Title\nx\n"),
        ("a.tsv", b"title,id\nx,1\n"),
        ("a.jsonl", b'{"headline": "x"}\n'),
        ("a.jsonl", b'["title"]\n"title"\nnull\n'),
    ],
)
def test_a_file_without_title_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert "'title'" in refused(tmp_path / name, content).problem


def test_jsonl_that_never_shows_a_title_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"headline": "x"}\n' * 1_000 + b'{"title": "x"}\n' * 10)
    assert len(list(read_records(path, ReadOptions()))) == 1_010
    path.write_bytes(b'{"headline": "x"}\n' * 2_000)
    with pytest.raises(InputError, match="'title'"):
        next(read_records(path, ReadOptions()))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.xlsx", "a.gz", "a.txt.gz", "a.csv.bz2", "a.zst"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "are not read" in refused(tmp_path / name, b"title\nx\n").problem


@pytest.mark.parametrize("name", ["none.csv", "none/a.csv", "a" * 300 + ".csv"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        next(read_records(tmp_path / name, ReadOptions()))
    assert caught.value.location == str(tmp_path / name)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match="not a file"):
        next(read_records(tmp_path / "a.csv", ReadOptions()))


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"title,x,title\na,b,c\n"), ("a.tsv", b"title\tx\tx\na\tb\tc")]
)
def test_a_column_that_stands_there_twice_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    assert "twice" in refused(tmp_path / name, content).problem


# --- encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_every_encoding_gives_the_same_titles_when_declared(
    tmp_path: Path, encoding: str, end: str, suffix: str
) -> None:
    lines = ["title", *TITLES]
    if suffix == ".jsonl":
        lines = [json.dumps({"title": title}, ensure_ascii=False) for title in TITLES]
    content = "".join(line + end for line in lines).encode(encoding)
    records = read(tmp_path / f"a{suffix}", content, encoding)
    assert titles(records) == TITLES
    codec = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    assert [record.raw.decode(codec).lstrip("\ufeff") for record in records] == lines[-3:]


@pytest.mark.parametrize("name", ["UTF-8", "utf8", "U8", "utf_8_sig"])
def test_every_name_of_utf8_is_known(tmp_path: Path, name: str) -> None:
    content = "\n".join(["title", *TITLES]).encode()
    assert titles(read(tmp_path / "a.csv", content, name)) == TITLES


@pytest.mark.parametrize("name", ["utf16", "U16", "UTF_16"])
def test_every_name_of_utf16_is_known(tmp_path: Path, name: str) -> None:
    content = "\n".join(["title", *TITLES]).encode("utf-16")
    assert titles(read(tmp_path / "a.csv", content, name)) == TITLES


@pytest.mark.parametrize(
    ("suffix", "mark", "encoding"),
    [
        (".csv", codecs.BOM_UTF8, "utf-8"),
        (".jsonl", codecs.BOM_UTF8, "utf-8"),
        (".csv", "\ufeff".encode("gb18030"), "gb18030"),
        (".csv", codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_byte_order_mark_is_no_part_of_a_name(
    tmp_path: Path, suffix: str, mark: bytes, encoding: str
) -> None:
    text = "title\n股市\n" if suffix == ".csv" else '{"title": "股市"}\n'
    records = read(tmp_path / f"a{suffix}", mark + text.encode(encoding), encoding)
    assert [record.fields for record in records] == [{"title": "股市"}]


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_text_that_is_not_utf8_is_refused_with_the_encoding_it_has(
    tmp_path: Path, encoding: str, suffix: str
) -> None:
    titles = (
        ["財經新聞標題", "氣象預報說明天轉晴", "體育比賽結果"] if encoding == "big5" else TITLES
    )
    lines = ["title", *titles]
    if suffix == ".jsonl":
        lines = [f'{{"title": "{title}"}}' for title in titles]
    error = refused(tmp_path / f"a{suffix}", "\n".join(lines).encode(encoding))
    assert "not UTF-8" in error.problem
    assert "--encoding" in error.hint
    if encoding == "gb18030":  # every Big5 text decodes as GB18030 too, so there it is a guess
        assert "--encoding gb18030" in error.hint


def test_utf16_undeclared_is_refused_by_name(tmp_path: Path) -> None:
    content = "\n".join(["title", *TITLES]).encode("utf-16")
    for encoding in ("utf-8", "gb18030"):
        assert "--encoding utf-16" in refused(tmp_path / "a.csv", content, encoding).hint


def test_utf8_declared_as_another_encoding_is_refused(tmp_path: Path) -> None:
    content = "\n".join(["title", *TITLES]).encode()
    for encoding in ("gb18030", "big5", "latin-1"):
        assert "is UTF-8" in refused(tmp_path / "a.csv", content, encoding).problem


@pytest.mark.parametrize("name", ["klingon", "", "hex", "rot13", "undefined", "utf\x00"])
def test_an_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    assert repr(name) in refused(tmp_path / "a.csv", b"title\nx\n", name).problem


@pytest.mark.parametrize("end", [b"a", b"\x00\xd8a", b"\xff"])
def test_utf16_that_ends_within_a_character_is_refused(tmp_path: Path, end: bytes) -> None:
    content = "\n".join(["title", *TITLES]).encode("utf-16") + end
    assert "not utf-16" in refused(tmp_path / "a.csv", content, "utf-16").problem


def test_a_lone_surrogate_in_utf16_keeps_its_row_and_bytes(tmp_path: Path) -> None:
    content = "title\n好\n".encode("utf-16") + b"\x00\xd8\n\x00" + "晴".encode("utf-16-le")
    records = read(tmp_path / "a.csv", content, "utf-16")
    assert [record.raw for record in records] == [b"\x7d\x59", b"\x00\xd8", b"\x74\x66"]
    assert titles(records) == ["好", "\ud800", "晴"]


def test_single_undecodable_lines_keep_their_bytes(tmp_path: Path) -> None:
    bad = "股市".encode() + b"\xff\xd5"
    lines = [title.encode() for title in TITLES] + [bad]
    records = read(tmp_path / "a.csv", b"title\n" + b"\n".join(lines))
    assert [record.raw for record in records] == lines
    assert titles(records)[:3] == TITLES
    assert titles(records)[3].encode("utf-8", "surrogateescape") == bad


@pytest.mark.parametrize("encoding", ["big5", "cp950", "big5hkscs"])
def test_a_character_with_two_codes_keeps_its_own(tmp_path: Path, encoding: str) -> None:
    line = b"\xa1\xfe \xa2\x41 \xa2\xcc \xa4\x51"
    records = read(tmp_path / "a.csv", b"title\n" + line + b"\n", encoding)
    assert records[0].raw == line


@given(content=st.binary(max_size=60), encoding=st.sampled_from([*ENCODINGS, "latin-1", "cp1252"]))
def test_raw_bytes_of_any_line_are_exact(folder: Path, content: bytes, encoding: str) -> None:
    line = content.replace(b"\r", b"").replace(b"\n", b"").replace(b'"', b"").replace(b",", b"")
    assume(line)
    assume(not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")))
    try:
        records = read(folder / "raw.csv", b"title\n" + line + b"\nx\nx\n", encoding)
    except InputError:
        return
    assert [record.raw for record in records] == [line, b"x", b"x"]


# --- CSV and TSV ---------------------------------------------------------------------------


def test_an_unclosed_quote_loses_one_line_only(tmp_path: Path) -> None:
    content = 'title,id\n好,1\n"没有结束,2\n大涨,3\n"他说""好""",4\n下跌,5\n'.encode()
    records = read(tmp_path / "a.csv", content)
    assert [record.row for record in records] == [0, 1, 2, 3, 4]
    assert [record.problem is None for record in records] == [True, False, True, True, True]
    assert "quote" in str(records[1].problem)
    assert records[1].raw == '"没有结束,2'.encode()
    assert records[3].fields == {"title": '他说"好"', "id": "4"}
    assert records[4].fields == {"title": "下跌", "id": "5"}


def test_an_unclosed_quote_on_the_last_line_or_on_all(tmp_path: Path) -> None:
    last = read(tmp_path / "a.csv", b'title\nx\n"y')
    assert [(record.raw, record.problem is None) for record in last] == [
        (b"x", True),
        (b'"y', False),
    ]
    every = read(tmp_path / "a.csv", b"title,id\n" + b'"y,1\n' * 50)
    assert [record.raw for record in every] == [b'"y,1'] * 50
    assert all(record.problem for record in every)


def test_an_unclosed_quote_before_more_text_than_a_field_may_hold(tmp_path: Path) -> None:
    lines = [f"标题{number}" for number in range(40_000)]
    content = "\n".join(["title", '"开', *lines]).encode()
    records = read(tmp_path / "a.csv", content)
    assert [record.row for record in records if record.problem] == [0]
    assert titles(records[1:]) == lines


def test_quoted_line_breaks_and_delimiters_belong_to_the_field(tmp_path: Path) -> None:
    content = b'title,id\r\n"a,b\r\nc",1\r\n\r\nd,2'
    records = read(tmp_path / "a.csv", content)
    assert [record.fields for record in records] == [
        {"title": "a,b\r\nc", "id": "1"},
        {"title": "d", "id": "2"},
    ]
    assert records[0].raw == b'"a,b\r\nc",1'


@pytest.mark.parametrize("row", ["x", "x,", "x,1,2,3", ",,,,"])
def test_a_row_with_another_number_of_columns_is_a_problem(tmp_path: Path, row: str) -> None:
    bad, good = read(tmp_path / "a.csv", f"title,id,label\n{row}\n好,1,0\n".encode())
    assert "columns where the header has 3" in str(bad.problem)
    assert bad.fields == {}
    assert bad.raw == row.encode()
    assert good.fields == {"title": "好", "id": "1", "label": "0"}


def test_nul_bytes_and_long_fields_pass_the_reader(tmp_path: Path) -> None:
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
def test_clean_tables_read_as_pandas_reads_them(
    folder: Path, suffix: str, rows: list[tuple[str, str]]
) -> None:
    path, sep = folder / f"table{suffix}", {".csv": ",", ".tsv": "\t"}[suffix]
    frame = pd.DataFrame(rows, columns=["title", "标签"], dtype=str)
    frame.to_csv(path, sep=sep, index=False)
    expected = pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False, na_filter=False)
    records = list(read_records(path, ReadOptions()))
    assert [record.problem for record in records] == [None] * len(rows)
    assert [record.fields for record in records] == expected.to_dict("records")
    assert [record.fields for record in records] == frame.to_dict("records")


def lines_of(content: bytes) -> list[bytes]:
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
def test_every_line_of_any_file_is_accounted_for(folder: Path, suffix: str, tail: bytes) -> None:
    header = {".csv": b"title,id\n", ".tsv": b"title\tid\n"}[suffix]
    try:
        records = read(folder / f"any{suffix}", header + tail)
    except InputError:
        return
    assert [record.row for record in records] == list(range(len(records)))
    assert [line for record in records for line in lines_of(record.raw)] == lines_of(tail)
    assert all((record.problem is None) == bool(record.fields) for record in records)


# --- compressed files ----------------------------------------------------------------------


def packed(content: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(content)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def content_of(kind: str, rows: int) -> bytes:
    """So many rows that compress badly."""
    seeded = random.Random(7)
    found = [f"第{n}届科技大会{seeded.random()}" for n in range(rows)]
    if kind == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"title": found}), sink, compression="none")
        return bytes(sink.getvalue())
    lines = [json.dumps({"title": one}) for one in found] if kind == ".jsonl" else ["title", *found]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_compressed_file_has_the_rows_of_the_plain_one(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    content = content_of(kind, 3_000)
    plain = read(tmp_path / f"a{kind}", content)
    assert len(plain) == 3_000
    assert read(tmp_path / f"a{kind}{suffix}", packed(content, suffix)) == plain
    twice = packed(content[:1_000], suffix) + packed(content[1_000:], suffix)
    assert read(tmp_path / f"twice{kind}{suffix}", twice) == plain


def test_parquet_is_unpacked_in_the_data_root(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(catalog.root))
    packed_parquet = packed(content_of(".parquet", 10), ".gz")
    assert len(read(tmp_path / "a.parquet.gz", packed_parquet)) == 10  # there is no root yet
    catalog.work.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    assert len(read(tmp_path / "b.parquet.gz", packed_parquet)) == 10
    assert list(catalog.work.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_compressed_file_that_is_cut_off_is_refused(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    whole = packed(content_of(kind, 3_000), suffix)
    for length in (1, 5, 30, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        error = refused(tmp_path / f"a{kind}{suffix}", whole[:length])
        assert "damaged or not whole" in error.problem


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_plain_file_with_the_ending_of_a_compressed_one_is_refused(
    tmp_path: Path, suffix: str
) -> None:
    assert "damaged or not whole" in refused(tmp_path / f"a.csv{suffix}", b"title\nx\n").problem


def test_a_flipped_bit_of_gzip_is_found(tmp_path: Path) -> None:
    whole = packed(content_of(".csv", 300), ".gz")
    for place in range(10, len(whole), 97):
        flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        refused(tmp_path / "a.csv.gz", flipped)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("2026.11.20.tsv.gz", ".tsv.gz"),
        ("a.parquet.zst", ".parquet.zst"),
        ("a.gz", None),
        ("a.csv.gz.gz", None),
        ("csv", None),
        (".csv", None),
        ("a.csv.part", None),
    ],
)
def test_endings(name: str, suffix: str | None) -> None:
    assert data_suffix(name) == suffix


# --- columns and long lines ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "标题,title\n股市,x\n".encode()),
        ("a.jsonl", '{"标题": "股市", "title": "x"}'.encode()),
    ],
)
def test_the_column_of_titles_may_have_another_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    [record] = read_records(path, ReadOptions(title_column="标题"))
    assert record.fields == {"标题": "股市", "title": "x"}
    with pytest.raises(InputError, match="--title-column"):
        list(read_records(path, ReadOptions(title_column="headline")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"title_column": ""},
        {"title_column": "id"},
        {"content_column": ""},
        {"content_column": "title"},
        {"id_column": "号", "content_column": "号"},
        {"long_titles": "wrap"},
    ],
)
def test_a_reading_that_cannot_be_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError):
        ReadOptions(**wrong)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_a_line_without_end_is_one_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, encoding: str
) -> None:
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(delimited, "LONGEST_LINE", 1_000)
    titles_in = ["股市", "长" * 7_000, "晴"]
    rows = [json.dumps({"title": one}) for one in titles_in]
    text = "\n".join(rows if kind == ".jsonl" else ["title", *titles_in])
    first, long, last = read(tmp_path / f"a{kind}", text.encode(encoding), encoding)
    assert (first.fields, last.fields) == ({"title": "股市"}, {"title": "晴"})
    assert long.problem
    assert len(long.raw) <= 2 * 1_000  # UTF-16 has two bytes a character


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_no_row_is_lost_where_lines_end_about_the_greatest_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, end: str, encoding: str
) -> None:
    """The reader takes so much at once, wherever that may cut."""
    monkeypatch.setattr(delimited, "LONGEST_LINE", 40)
    found = ["股市"[: n % 2 + 1] + "x" * (n % 37) for n in range(400)]
    rows = found if kind == ".csv" else [f'{{"title":"{one}"}}' for one in found]
    content = end.join(["title", *rows] if kind == ".csv" else rows).encode(encoding)
    for longest in range(50, 70):
        monkeypatch.setattr(text_lines, "LONGEST_LINE", longest)
        records = read(tmp_path / f"a{kind}", content, encoding)
        assert len(records) == len(found)
        assert all(
            record.problem or record.fields["title"] == one
            for record, one in zip(records, found, strict=True)
        )


def test_an_article_of_many_lines_is_one_field(tmp_path: Path) -> None:
    body = "第一行\n" * 30_000
    records = read(tmp_path / "a.csv", f'title,body\n甲,"{body}"\n乙,x\n'.encode())
    assert [record.fields["title"] for record in records] == ["甲", "乙"]
    assert records[0].fields["body"] == body


def test_what_is_compressed_and_does_not_say_so_is_refused(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        error = refused(tmp_path / "a.csv", packed(b"title\nx\n", suffix))
        assert "is compressed" in error.problem


# --- JSON lines ----------------------------------------------------------------------------


def test_jsonl_keeps_types_and_tells_bad_lines(tmp_path: Path) -> None:
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
def test_json_nested_too_deeply_is_a_problem_of_its_row_alone(tmp_path: Path, depth: int) -> None:
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
@settings(max_examples=300)
def test_every_line_of_jsonl_is_one_record(folder: Path, parts: list[bytes]) -> None:
    content = b"\n".join([b'{"title": "x"}', *parts])
    try:
        records = read(folder / "any.jsonl", content)
    except InputError:
        return
    lines = [line for line in content.splitlines() if line.strip(b"\t ")]
    assert [record.raw for record in records] == lines


# --- Parquet -------------------------------------------------------------------------------


def parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=2)
    return sink.getvalue()


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_parquet_gives_its_titles_whatever_its_kind_of_text(
    tmp_path: Path, kind: pa.DataType
) -> None:
    values = [*TITLES, None, TITLES[0]]
    content = parquet({"title": pa.array(values).cast(kind), "n": range(5)})
    records = read(tmp_path / "a.parquet", content)
    assert [record.fields for record in records] == [
        {"title": title, "n": number} for number, title in enumerate(values)
    ]
    assert [record.row for record in records] == [0, 1, 2, 3, 4]
    assert json.loads(records[0].raw) == records[0].fields


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_parquet_text_that_is_not_utf8_keeps_its_row_and_bytes(
    tmp_path: Path, as_dictionary: bool
) -> None:
    column = bad_string_array()
    content = parquet({"title": column.dictionary_encode() if as_dictionary else column})
    records = read(tmp_path / "a.parquet", content)
    assert b"\xff\xfe" in records[0].raw
    assert titles(records)[0].encode("utf-8", "surrogateescape") == b"\xff\xfe"
    assert titles(records)[1] == "ab"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"a"]),
        pa.array([1]),
        pa.array([None]),
        pa.array([["a"]]),
        pa.array([b"a"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_title_that_is_not_text_is_refused_with_its_type(
    tmp_path: Path, column: pa.Array
) -> None:
    assert "not text" in refused(tmp_path / "a.parquet", parquet({"title": column})).problem


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**60], pa.timestamp("us")),
        pa.array([2**30], pa.date32()),
        pa.array([2**60], pa.duration("s")),
        pa.array([0], pa.timestamp("us", "Mars/Olympus")),
        pa.ListArray.from_arrays([0, 2], bad_string_array()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_column_that_python_cannot_hold_is_refused_by_name(
    tmp_path: Path, column: pa.Array
) -> None:
    content = parquet({"title": ["好"], "other": column})
    assert "'other'" in refused(tmp_path / "a.parquet", content).problem


def test_parquet_without_title_or_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    assert "'title'" in refused(path, parquet({"headline": ["x"]})).problem
    assert refused(path, parquet({"title": pa.array([], pa.string())})).problem == (
        "the file has no rows"
    )


def test_parquet_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    content = parquet({"title": TITLES, "id": ["1", "2", "3"]})
    for length in range(1, len(content), 7):
        assert (
            "not a readable Parquet file"
            in refused(tmp_path / "a.parquet", content[:length]).problem
        )


def test_a_parquet_page_that_is_damaged_is_refused_or_keeps_every_row(tmp_path: Path) -> None:
    content = parquet({"title": TITLES})
    end_of_data = content.rindex(b"title", 0, len(content) - 8)
    for position in range(4, min(end_of_data, 200), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        try:
            records = read(tmp_path / "a.parquet", bytes(damaged))
        except InputError:
            continue
        assert len(records) == len(TITLES)


# --- anything ------------------------------------------------------------------------------


def files() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=200)
    yield st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
    pieces = [b"title", b'"', b",", b"\t", b"\n", b"\r\n", b"{", b"}", b'{"title":', b"[", b"\x00"]
    pieces += [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"PAR1", b"\x81", "股".encode(), b"\xd5"]
    yield st.lists(st.sampled_from(pieces), max_size=30).map(b"".join)
    whole = parquet({"title": TITLES})
    yield st.integers(0, len(whole)).flatmap(
        lambda at: st.binary(max_size=20).map(lambda junk: whole[:at] + junk + b"PAR1")
    )


@given(content=st.one_of(*files()), encoding=st.sampled_from(ENCODINGS))
@settings(max_examples=300)
@pytest.mark.parametrize("suffix", FORMATS)
def test_any_bytes_give_records_or_one_clean_error(
    folder: Path, suffix: str, content: bytes, encoding: str
) -> None:
    try:
        records = read(folder / f"fuzzed{suffix}", content, encoding)
    except InputError:
        return
    assert records
    assert [record.row for record in records] == list(range(len(records)))
    for record in records:
        assert isinstance(record.raw, bytes)
        assert bool(record.problem) or isinstance(record.fields, dict)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_fields_always_become_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(to_json({"b": value, "a": 1}), parse_constant=refuse)["a"] == 1


def test_fields_become_the_same_json_in_any_order() -> None:
    assert (
        to_json({"b": 1, "a": b"\xff"}) == to_json({"a": b"\xff", "b": 1}) == '{"a":"/w==","b":1}'
    )


def test_a_record_without_a_line_shows_its_fields_even_with_lone_surrogates() -> None:
    for text in ("\udcff", "\ud800"):
        record = Record(0, {"title": text})
        assert record.raw.startswith(b'{"title":"')
