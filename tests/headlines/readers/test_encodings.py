import codecs
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headlines.errors import InputError

from .sources import ENCODINGS, TITLES, read, refused, titles


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_declared_encodings_give_the_same_titles(
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
def test_aliases_of_utf8_are_accepted(tmp_path: Path, name: str) -> None:
    content = "\n".join(["title", *TITLES]).encode()
    assert titles(read(tmp_path / "a.csv", content, name)) == TITLES


@pytest.mark.parametrize("name", ["utf16", "U16", "UTF_16"])
def test_aliases_of_utf16_are_accepted(tmp_path: Path, name: str) -> None:
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
def test_byte_order_mark_is_removed(
    tmp_path: Path, suffix: str, mark: bytes, encoding: str
) -> None:
    text = "title\n股市\n" if suffix == ".csv" else '{"title": "股市"}\n'
    records = read(tmp_path / f"a{suffix}", mark + text.encode(encoding), encoding)
    assert [record.fields for record in records] == [{"title": "股市"}]


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_undeclared_encoding_is_refused_with_a_suggestion(
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


def test_undeclared_utf16_is_refused(tmp_path: Path) -> None:
    content = "\n".join(["title", *TITLES]).encode("utf-16")
    for encoding in ("utf-8", "gb18030"):
        assert "--encoding utf-16" in refused(tmp_path / "a.csv", content, encoding).hint


def test_utf8_with_another_declared_encoding_is_refused(tmp_path: Path) -> None:
    content = "\n".join(["title", *TITLES]).encode()
    for encoding in ("gb18030", "big5", "latin-1"):
        assert "is UTF-8" in refused(tmp_path / "a.csv", content, encoding).problem


@pytest.mark.parametrize("name", ["klingon", "", "hex", "rot13", "undefined", "utf\x00"])
def test_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    assert repr(name) in refused(tmp_path / "a.csv", b"title\nx\n", name).problem


@pytest.mark.parametrize("end", [b"a", b"\x00\xd8a", b"\xff"])
def test_truncated_utf16_is_refused(tmp_path: Path, end: bytes) -> None:
    content = "\n".join(["title", *TITLES]).encode("utf-16") + end
    assert "not utf-16" in refused(tmp_path / "a.csv", content, "utf-16").problem


def test_lone_surrogate_in_utf16_keeps_its_row_and_bytes(tmp_path: Path) -> None:
    content = "title\n好\n".encode("utf-16") + b"\x00\xd8\n\x00" + "晴".encode("utf-16-le")
    records = read(tmp_path / "a.csv", content, "utf-16")
    assert [record.raw for record in records] == [b"\x7d\x59", b"\x00\xd8", b"\x74\x66"]
    assert titles(records) == ["好", "\ud800", "晴"]


def test_undecodable_line_keeps_its_bytes(tmp_path: Path) -> None:
    bad = "股市".encode() + b"\xff\xd5"
    lines = [title.encode() for title in TITLES] + [bad]
    records = read(tmp_path / "a.csv", b"title\n" + b"\n".join(lines))
    assert [record.raw for record in records] == lines
    assert titles(records)[:3] == TITLES
    assert titles(records)[3].encode("utf-8", "surrogateescape") == bad


@pytest.mark.parametrize("encoding", ["big5", "cp950", "big5hkscs"])
def test_character_with_two_codes_keeps_its_bytes(tmp_path: Path, encoding: str) -> None:
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
