import json
from pathlib import Path

import pyarrow as pa
import pytest

from headlines.errors import InputError

from .sources import TITLES, parquet, read, refused, titles


def bad_string_array() -> pa.Array:
    """Text whose first value is not UTF-8, as some writers of Parquet let pass."""
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0\x04\0\0\0"), pa.py_buffer(b"\xff\xfeab")
    return pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])


@pytest.mark.parametrize(
    "text_type",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_parquet_titles_of_any_text_type(tmp_path: Path, text_type: pa.DataType) -> None:
    values = [*TITLES, None, TITLES[0]]
    content = parquet({"title": pa.array(values).cast(text_type), "n": range(5)})
    records = read(tmp_path / "a.parquet", content)
    assert [record.fields for record in records] == [
        {"title": title, "n": number} for number, title in enumerate(values)
    ]
    assert [record.row for record in records] == [0, 1, 2, 3, 4]
    assert json.loads(records[0].raw) == records[0].fields


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_undecodable_parquet_text_keeps_its_row_and_bytes(
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
def test_parquet_title_that_is_not_text_is_refused(tmp_path: Path, column: pa.Array) -> None:
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
def test_unreadable_parquet_column_is_refused_by_name(tmp_path: Path, column: pa.Array) -> None:
    content = parquet({"title": ["好"], "other": column})
    assert "'other'" in refused(tmp_path / "a.parquet", content).problem


def test_parquet_without_titles_or_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    assert "'title'" in refused(path, parquet({"headline": ["x"]})).problem
    assert refused(path, parquet({"title": pa.array([], pa.string())})).problem == (
        "the file has no rows"
    )


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    content = parquet({"title": TITLES, "id": ["1", "2", "3"]})
    for length in range(1, len(content), 7):
        assert (
            "not a readable Parquet file"
            in refused(tmp_path / "a.parquet", content[:length]).problem
        )


def test_damaged_parquet_is_refused_or_keeps_every_row(tmp_path: Path) -> None:
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
