"""Files of any bytes, and good ones that were harmed: read as they stand, or one clean refusal."""

import contextlib
import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers import ReadOptions, Record, read_records
from headlines.scoring.rows import validate_row

from .conftest import Victim

FEW, MANY = 60, 5_000
TITLES = ["股市大涨", '他说"好"', "a, b", "第一行\n第二行", " ", "", "长" * 40]


def delimited(mark: str, end: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark, lineterminator=end)
    writer.writerow(["id", "title", "source"])
    writer.writerows([number, title, "搜狐"] for number, title in enumerate(TITLES))
    return text.getvalue().encode()


def json_lines() -> bytes:
    rows = [{"title": title, "id": n, "more": [None, {"a": 1.5}]} for n, title in enumerate(TITLES)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(**options: Any) -> bytes:
    columns = {
        "title": pa.array([*TITLES, None]),
        "kind": pa.array(["a", "b"] * 4).dictionary_encode(),
        "when": pa.array(range(8), pa.timestamp("ms", "UTC")),
        "price": pa.array([1.5, None] * 4),
        "nested": pa.array([{"x": [1, 2]}, None] * 4),
        "bytes": pa.array([b"\0\xff"] * 8),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=4, **options)
    return sink.getvalue()


TEXT = {
    ".csv": [delimited(",", "\n"), "\ufeff".encode() + delimited(",", "\r\n")],
    ".tsv": [delimited("\t", "\n"), delimited("\t", "\r")],
    ".jsonl": [json_lines()],
}
PARQUET = [
    parquet(),
    parquet(compression="zstd", data_page_version="2.0"),
    parquet(compression="none", use_dictionary=False),
]
READING = ReadOptions()

harms = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "put in", "take out", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=6) | st.sampled_from([b'"', b"\n", b"\0", b"{", b"\xff"]),
    ),
    min_size=1,
    max_size=4,
)


def harmed(content: bytes, harm: list[tuple[str, float, bytes]]) -> bytes:
    """A file's bytes after some harm: what, where (as a share of its length), and with what."""
    for what, where, more in harm:
        place = int(where * len(content))
        head, tail = content[:place], content[place:]
        if what == "flip":
            content = head + bytes(byte ^ 1 << more[0] % 8 for byte in tail[:1]) + tail[1:]
        elif what == "cut":
            content = head
        elif what == "put in":
            content = head + more + tail
        elif what == "take out":
            content = head + tail[len(more) :]
        else:
            content = head + tail[: 20 * len(more)] + tail
    return content


def packed(content: bytes, ending: str) -> bytes:
    """The bytes of a file with that ending of a compression, if it has one."""
    if ending == ".gz":
        return gzip.compress(content, mtime=0)
    return pa.compress(content, "zstd", asbytes=True) if ending == ".zst" else content


def read(path: Path, content: bytes) -> list[Record] | None:
    """The rows of a file; None where it is refused in the way that all files are refused."""
    path.write_bytes(content)
    records: list[Record] = []
    refusal = None
    try:
        records += read_records(path, READING)
    except InputError as error:
        refusal = error
    if refusal is not None:
        assert refusal.location == str(path)
        assert refusal.hint
        assert "\n" not in str(refusal)
        return None
    assert records
    assert [record.row for record in records] == list(range(len(records)))
    for record in records:
        assert isinstance(record.raw, bytes)
        with contextlib.suppress(ValueError):  # the reason of its rejection
            validate_row(record, READING)
    return records


def check_complete(records: list[Record], content: bytes, suffix: str) -> None:
    """See that every byte of a text file is in one of its rows."""
    if suffix == ".jsonl":
        lines = [line for line in content.splitlines() if line.strip(b"\t ")]
        assert [record.raw for record in records] == lines
        return
    # But those of the header; and of line ends, which may stand in a row and between rows.
    rows = without_ends(b"".join(record.raw for record in records))
    header = without_ends(content).removesuffix(rows)
    assert len(header) + len(rows) == len(without_ends(content))
    assert b"title" in header


def without_ends(content: bytes) -> bytes:
    return content.replace(b"\r", b"").replace(b"\n", b"")


def fuzz_text(folder: Path, suffix: str, ending: str, **how: Any) -> Counter[str]:
    """Read good files that were harmed, before or after they were packed, and any bytes."""
    seen: Counter[str] = Counter()
    harmed_files = st.builds(harmed, st.sampled_from(TEXT[suffix]), harms)
    any_files = st.binary(max_size=200) | st.binary(max_size=80).map(b"title,id\n".__add__)

    @settings(**how, database=None, deadline=None)
    @given(content=harmed_files | any_files, harm=harms | st.just([]))
    @example(content=TEXT[suffix][0] + b"x\r ", harm=[])  # a lone CR ends a line too
    def attempt(content: bytes, harm: list[tuple[str, float, bytes]]) -> None:
        file = packed(content, ending)
        records = read(folder / f"whole{suffix}{ending}", file)
        seen["refused" if records is None else "read"] += 1
        if records is not None:
            check_complete(records, content, suffix)
        if ending:
            harmed_file = harmed(file, harm)
            again = read(folder / f"harmed{suffix}{ending}", harmed_file)
            seen["packed_refused" if again is None else "packed_read"] += 1
            if ending == ".gz" and again is not None:  # these have no checksum in zstd
                found = gzip.decompress(harmed_file)
                # Several files in one, with zeros between them, are their contents in one.
                assert found == content * (len(found) // max(1, len(content)))
                if found == content:
                    assert again == records

    attempt()
    return seen


def fuzz_parquet(victim: Victim, root: Path, **how: Any) -> Counter[str]:
    """Read Parquet that was harmed, each file in a process of its own, which might crash."""
    seen: Counter[str] = Counter()
    (root / "inbox").mkdir()

    @settings(**how, database=None, deadline=None)
    @given(content=st.builds(harmed, st.sampled_from(PARQUET), harms) | st.binary(max_size=200))
    def attempt(content: bytes) -> None:
        (root / "inbox" / "fuzzed.parquet").write_bytes(content)
        answer = victim.ask("read", root, {}, name="fuzzed.parquet")
        assert answer["signal"] == 0, answer
        if "error" in answer:
            assert answer["error"][0] == "InputError", answer
            assert "\n" not in answer["error"][1]
        else:
            assert answer["result"]["rows"] == [*range(answer["result"]["rows_in"])]
        seen["refused" if "error" in answer else "read"] += 1

    attempt()
    return seen


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", TEXT)
def test_harmed_text_is_read_or_refused(tmp_path: Path, suffix: str, ending: str) -> None:
    seen = fuzz_text(tmp_path, suffix, ending, max_examples=FEW, derandomize=True)
    assert seen["read"] > 0
    assert seen["refused"] > 0


def test_harmed_parquet_is_read_or_refused(victim: Victim, tmp_path: Path) -> None:
    seen = fuzz_parquet(victim, tmp_path, max_examples=FEW, derandomize=True)
    assert seen["read"] > 0
    assert seen["refused"] > 0


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", TEXT)
def test_much_harmed_text_is_read_or_refused(
    tmp_path: Path, suffix: str, ending: str, count: Callable[..., None]
) -> None:
    seen = fuzz_text(tmp_path, suffix, ending, max_examples=MANY)
    count(f"fuzzed: {suffix}{ending}", **seen)


@pytest.mark.slow
@pytest.mark.faults
def test_much_harmed_parquet_is_read_or_refused(
    victim: Victim, tmp_path: Path, count: Callable[..., None]
) -> None:
    seen = fuzz_parquet(victim, tmp_path, max_examples=MANY)
    count("fuzzed: .parquet", **seen)
