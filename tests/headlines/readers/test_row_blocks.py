"""Files read by columns give exactly the rows that the row-by-row reader gives."""

import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import (
    ReadOptions,
    Record,
    parquet,
    plain_lines,
    read_blocks,
    read_records,
)
from headlines.readers.rejects import Reject
from headlines.scoring.admission import admit
from headlines.scoring.chunks import CHUNK_SCHEMA
from headlines.scoring.rows import validate_row

DATA = Path(__file__).parent / "data"
TOKENS = [
    *(b"a", b" ", b",", b"\t", b"\n", b"\r\n", b"\r", b'"', b'""', b"\\", b"\0", b"\x1f", b"\xff"),
    *("大".encode(), "\u3000".encode(), "\u200b".encode(), "\ufeff".encode(), "，".encode()),
    *(b"1,a,b\n", b"2,c,d\n", b'3,"x, y",z\n', b"id,title,source\n", b"\n\n\n\r\r", b"4,\xe5,\n"),
    *(b'5,"open,\n', b'6,"two\nlines",b\n', b"7\ttab\tb\n", b",,\n", "8,大涨,搜狐\n".encode()),
]
contents = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=3), max_size=30).map(b"".join)
settings_of_files = st.sampled_from(
    [
        ("a.csv", {}),
        ("a.tsv", {}),
        ("a.csv", {"quoting": "none"}),
        ("a.csv", {"delimiter": "，"}),
        ("a.csv", {"id_column": "source", "long_titles": "cut"}),
        ("a.csv", {"title_column": "a"}),
    ]
)


@pytest.fixture(params=[64, 1 << 20], ids=["short blocks", "long blocks"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_lines, "BLOCK", request.param)


def by_rows(path: Path, options: ReadOptions) -> list[Record] | str:
    try:
        return list(read_records(path, options))
    except InputError as error:
        return str(error)


def by_columns(path: Path, options: ReadOptions) -> list[Record] | str:
    records: list[Record] = []
    try:
        for block in read_blocks(path, options):
            records += block.records
            records += map(block.record, range(len(block.rows)))
    except InputError as error:
        return str(error)
    return sorted(records, key=lambda record: record.row)


def checked_by_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any] | Reject]:
    for record in read_records(path, options):
        try:
            yield validate_row(record, options)._asdict()
        except ValueError as error:
            yield Reject(record.row, str(error), record.raw)


def checked_by_columns(path: Path, options: ReadOptions) -> Iterator[dict[str, Any] | Reject]:
    for block in read_blocks(path, options):
        admitted = admit(block, options)
        assert admitted.rows.schema == CHUNK_SCHEMA
        rows = {row["row"]: row for row in admitted.rows.to_pylist()}
        rejects = {reject.row: reject for reject in admitted.rejects}
        assert len(rows) + len(rejects) == len(rows | rejects) == block.row_count
        yield from (row for _, row in sorted((rows | rejects).items()))


def check_equal(path: Path, options: ReadOptions) -> None:
    expected = by_rows(path, options)
    assert by_columns(path, options) == expected
    if not isinstance(expected, str):
        for ours, theirs in zip(
            checked_by_columns(path, options), checked_by_rows(path, options), strict=True
        ):
            assert ours == theirs


@pytest.mark.usefixtures("block_size")
@settings(max_examples=60)
@given(content=contents, of_file=settings_of_files)
@example(content=b'1,"a,b\n2,c,d\n3,e,f\n', of_file=("a.csv", {}))
@example(content=b"1,a,b\r2,c,d\n3,e,f\r\n", of_file=("a.csv", {}))
@example(content=b'1,a,"x\\\n2,c,d\n', of_file=("a.csv", {"quoting": "none"}))
def test_any_bytes_give_the_same_rows_both_ways(
    folder: Path, content: bytes, of_file: tuple[str, dict[str, Any]]
) -> None:
    name, options = of_file
    path = folder / name
    mark = b"\t" if name.endswith(".tsv") else options.get("delimiter", ",").encode()
    header = b"id,title,source\n".replace(b",", mark)
    for start in (header, b"", b"a\n"):
        path.write_bytes(start + content)
        check_equal(path, ReadOptions(**options))


JSON_LINES = st.lists(
    st.sampled_from(
        [
            *('{"id": "1", "title": "大涨"}\n', '{"id": "2", "title": "a"}\r\n', "\n", " \r"),
            *('{"id": "", "title": ""}\n', '{"id": "3", "title": "x\\n"}\n', '{"id": 4}\n', "{"),
            *('{"title": "y", "id": "5"}\n', '{"id": "6", "title": "b", "c": "d"}\n', "\ufeff"),
            *('{"id": "7", "id": "8"}\n', '{"id":"9","title":"c"}\n', '{"id": "x"\n', '"', "\t"),
            *('{"c": "1", "c": "2", "title": "e"}\n', '{"title": "f"}\n', '["a"]\n', "\0"),
        ]
    ).map(str.encode)
    | st.sampled_from([b"\xff", b'{"id": "\xe5", "title": "z"}\n']),
    max_size=12,
).map(b"".join)


@pytest.mark.usefixtures("block_size")
@settings(max_examples=25)
@given(content=JSON_LINES, name=st.sampled_from(["a.jsonl", "a.jsonl.gz"]))
def test_any_json_lines_give_the_same_rows_both_ways(
    folder: Path, content: bytes, name: str
) -> None:
    for start in (b'{"id": "1", "title": "\xe5\xa4\xa7"}\n', b'{"title": "x"}\r\n', b""):
        content = start + content
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        check_equal(folder / name, ReadOptions())


TEXTS = st.sampled_from(
    ["大涨", "a\\b", 'a"b', "", " ", "\u3000", "a\0", "长" * 501, "\n", "，", None]
)
COLUMNS = st.one_of(
    st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]).map(lambda t: (t, TEXTS)),
    st.just((pa.dictionary(pa.int8(), pa.string()), TEXTS)),
    st.just((pa.uint64(), st.none() | st.integers(0, 2**64 - 1))),
    st.just((pa.int8(), st.none() | st.integers(-128, 127))),
    st.just((pa.bool_(), st.none() | st.booleans())),
    st.just((pa.float64(), st.none() | st.floats(allow_nan=False))),
    st.just((pa.binary(), st.none() | st.binary(max_size=2))),
    st.just((pa.null(), st.none())),
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 7))
    names = draw(st.permutations(["title", "id", *draw(st.sets(st.sampled_from('b"c')))]))
    columns = {}
    for name in names:
        column_type, values = (pa.string(), TEXTS) if name == "title" else draw(COLUMNS)
        columns[name] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), column_type)
    return pa.table(columns)


@settings(max_examples=40)
@given(tables())
def test_any_table_gives_the_same_rows_both_ways(folder: Path, table: pa.Table) -> None:
    path = folder / "any.parquet"
    pq.write_table(table, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_BATCH_ROWS", 3)
        check_equal(path, ReadOptions())


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.name)
def test_awkward_files_give_the_same_rows_both_ways(path: Path) -> None:
    for options in (
        ReadOptions(),
        ReadOptions("gb18030"),
        ReadOptions(delimiter=";"),
        ReadOptions(delimiter="tab"),
        ReadOptions(quoting="csv"),
        ReadOptions(title_column="Title"),
    ):
        check_equal(path, options)


POISON = [b",,\n", b"1,a\n", b"2,\xff,b\n", b'3,"x"y,b\n', b"4,a\0,b\n", b"5,  ,\n"]


def write_poisoned(path: Path, rows: int, poison: list[bytes]) -> Path:
    """Rows that can be scored, and after each 99 of them one of poison."""
    kinds = itertools.cycle(poison)
    with path.open("wb") as file:
        file.write(b"id,title,source\n")
        for number in range(rows):
            line = f"n{number},某地地震{number}人伤亡,搜狐\n".encode()
            file.write(next(kinds) if number % 100 == 99 else line)
    return path


def test_poisoned_rows_leave_the_others_in_columns(tmp_path: Path) -> None:
    path = write_poisoned(tmp_path / "a.csv", 7_000, [*POISON, b'6,"x,\n'])
    check_equal(path, ReadOptions())
    blocks = list(read_blocks(path, ReadOptions()))
    assert sum(len(block.rows) for block in blocks) > 6_000


@pytest.mark.slow
def test_ten_thousand_poisoned_rows_in_a_million(tmp_path: Path) -> None:
    path = write_poisoned(tmp_path / "a.csv", 1_000_000, POISON)
    options = ReadOptions()
    rejected = 0
    for ours, theirs in zip(
        checked_by_columns(path, options), checked_by_rows(path, options), strict=True
    ):
        assert ours == theirs
        rejected += isinstance(ours, Reject)
    assert rejected == 10_000
