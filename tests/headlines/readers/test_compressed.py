import json
import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.readers import ReadOptions, read_records
from headlines.readers.formats import FORMATS

from .sources import compressed, read, refused


def incompressible(file_format: str, rows: int) -> bytes:
    """Rows that compress badly."""
    seeded = random.Random(7)
    titles = [f"第{n}届科技大会{seeded.random()}" for n in range(rows)]
    if file_format == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"title": titles}), sink, compression="none")
        return bytes(sink.getvalue())
    lines = ["title", *titles]
    if file_format == ".jsonl":
        lines = [json.dumps({"title": title}) for title in titles]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_compressed_file_has_the_rows_of_the_plain_one(
    tmp_path: Path, file_format: str, suffix: str
) -> None:
    content = incompressible(file_format, 3_000)
    plain = read(tmp_path / f"a{file_format}", content)
    assert len(plain) == 3_000
    assert read(tmp_path / f"a{file_format}{suffix}", compressed(content, suffix)) == plain
    twice = compressed(content[:1_000], suffix) + compressed(content[1_000:], suffix)
    assert read(tmp_path / f"twice{file_format}{suffix}", twice) == plain


def test_parquet_is_decompressed_in_the_given_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, work = tmp_path / "a.parquet.gz", tmp_path / "work"
    path.write_bytes(compressed(incompressible(".parquet", 10), ".gz"))
    assert len(list(read_records(path, ReadOptions(), work))) == 10  # it does not exist yet
    work.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    assert len(list(read_records(path, ReadOptions(), work))) == 10
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_truncated_compressed_file_is_refused(
    tmp_path: Path, file_format: str, suffix: str
) -> None:
    whole = compressed(incompressible(file_format, 3_000), suffix)
    for length in (1, 5, 30, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        error = refused(tmp_path / f"a{file_format}{suffix}", whole[:length])
        assert "damaged or truncated" in error.problem


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_plain_file_with_compressed_suffix_is_refused(tmp_path: Path, suffix: str) -> None:
    assert "not compressed" in refused(tmp_path / f"a.csv{suffix}", b"title\nx\n").problem


def test_flipped_bit_in_gzip_is_detected(tmp_path: Path) -> None:
    whole = compressed(incompressible(".csv", 300), ".gz")
    for position in range(10, len(whole), 97):
        flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        refused(tmp_path / "a.csv.gz", flipped)


def test_compressed_file_with_plain_suffix_is_refused(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        error = refused(tmp_path / "a.csv", compressed(b"title\nx\n", suffix))
        assert "is compressed" in error.problem
