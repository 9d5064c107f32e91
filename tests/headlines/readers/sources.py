"""What the tests of the readers share: source files and how they are read."""

import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import InputError
from headlines.readers import ReadOptions, Record, read_records

TITLES = ["股市大跌", "某地地震，十人失去住家", "明天放晴"]  # in GB 2312 and in Big5
ENCODINGS = ["utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-be", "utf-32", "utf-7", "hz"]


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


def compressed(content: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(content, mtime=0)  # names of tests hold the bytes
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=2)
    return sink.getvalue()
