import json
from pathlib import Path

import pyarrow as pa
import pytest

from headlines.errors import InputError
from headlines.readers import to_json

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


YEAR_10000 = 253_402_300_800  # in seconds


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([YEAR_10000], pa.timestamp("s")), "10000-01-01 00:00:00"),
        (pa.array([YEAR_10000 // 86_400], pa.date32()), "10000-01-01"),
        (pa.array([2**60], pa.duration("ms")), "PT1152921504606846.976S"),
        (pa.array([0], pa.timestamp("s", "Mars/Olympus")), "1970-01-01 00:00:00Z"),
        (pa.array([[YEAR_10000, 0]], pa.list_(pa.timestamp("s"))), "10000-01-01 00:00:00"),
        (pa.ListArray.from_arrays([0, 2], bad_string_array()), "\udcff\udcfe"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_value_that_python_cannot_hold_is_kept_as_text(
    tmp_path: Path, column: pa.Array, text: str
) -> None:
    content = parquet({"title": ["好"], "other": column})
    [record] = read(tmp_path / "a.parquet", content)
    value = record.fields["other"]
    assert (value[0] if isinstance(value, list) else value) == text
    [warning] = record.warnings
    assert "'other'" in warning


def test_other_values_of_such_a_column_stay_as_they_are(tmp_path: Path) -> None:
    column = pa.array([0, YEAR_10000, None], pa.timestamp("s"))
    records = read(tmp_path / "a.parquet", parquet({"title": list("好坏中"), "at": column}))
    assert [to_json(record.fields) for record in records] == [
        '{"at":"1970-01-01 00:00:00","title":"好"}',
        '{"at":"10000-01-01 00:00:00","title":"坏"}',
        '{"at":null,"title":"中"}',
    ]
    assert [len(record.warnings) for record in records] == [0, 1, 0]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "PT0S"),
        (90_061, "s", "P1DT1H1M1S"),
        (86_400_000, "ms", "P1D"),
        (-1_500_000, "us", "-PT1.5S"),
        (1_500_000_001, "ns", "PT1.500000001S"),
    ],
)
def test_durations_are_iso_8601(tmp_path: Path, value: int, unit: str, text: str) -> None:
    column = pa.array([value], pa.duration(unit))
    [record] = read(tmp_path / "a.parquet", parquet({"title": ["好"], "took": column}))
    assert json.loads(to_json(record.fields))["took"] == text


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
