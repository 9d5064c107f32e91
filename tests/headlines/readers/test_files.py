from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import ReadOptions, data_suffix, read_records
from headlines.readers.formats import FORMATS

from .sources import ENCODINGS, TITLES, parquet, read, refused


@pytest.mark.parametrize("suffix", FORMATS)
def test_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
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
def test_file_without_rows_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert refused(tmp_path / name, content).problem == "the file has no rows"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "标题,id\n股市大涨,1\n".encode()),
        ("a.csv", b"Title\nx\n"),
        ("a.tsv", b"headline,id\nx,1\n"),
        ("a.jsonl", b'{"headline": "x"}\n'),
        ("a.jsonl", b'["title"]\n"title"\nnull\n'),
    ],
)
def test_file_without_title_column_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert "'title'" in refused(tmp_path / name, content).problem


@pytest.mark.parametrize("name", ["a.txt", "a", "a.xlsx", "a.gz", "a.txt.gz", "a.csv.bz2", "a.zst"])
def test_unsupported_format_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / name, b"title\nx\n").problem == "unsupported file format"


@pytest.mark.parametrize("name", ["none.csv", "none/a.csv", "a" * 300 + ".csv"])
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        next(read_records(tmp_path / name, ReadOptions()))
    assert caught.value.location == str(tmp_path / name)


def test_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match="not a file"):
        next(read_records(tmp_path / "a.csv", ReadOptions()))


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"title,x,title\na,b,c\n"), ("a.tsv", b"title\tx\tx\na\tb\tc")]
)
def test_duplicate_column_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert "twice" in refused(tmp_path / name, content).problem


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
def test_data_suffix(name: str, suffix: str | None) -> None:
    assert data_suffix(name) == suffix


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "标题,title\n股市,x\n".encode()),
        ("a.jsonl", '{"标题": "股市", "title": "x"}'.encode()),
    ],
)
def test_title_column_may_have_another_name(tmp_path: Path, name: str, content: bytes) -> None:
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
def test_invalid_read_options_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError):
        ReadOptions(**wrong)


def contents() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=200)
    yield st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
    tokens = [
        b"title",
        b'"',
        b",",
        b"\t",
        b"\n",
        b"\r\n",
        b"{",
        b"}",
        b'{"title":',
        b"[",
        b"\x00",
    ]
    tokens += [
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"PAR1",
        b"\x81",
        "股".encode(),
        b"\xd5",
    ]
    yield st.lists(st.sampled_from(tokens), max_size=30).map(b"".join)
    whole = parquet({"title": TITLES})
    yield st.integers(0, len(whole)).flatmap(
        lambda at: st.binary(max_size=20).map(lambda junk: whole[:at] + junk + b"PAR1")
    )


@given(content=st.one_of(*contents()), encoding=st.sampled_from(ENCODINGS))
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
