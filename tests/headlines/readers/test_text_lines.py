import io
import json
from pathlib import Path

import pytest

from headlines.readers import ReadOptions, Record
from headlines.readers.delimited import delimited_records
from headlines.readers.jsonl import jsonl_records
from headlines.readers.text_lines import iter_lines


def read_lines(content: bytes, file_format: str, encoding: str, max_line: int) -> list[Record]:
    file = io.BufferedReader(io.BytesIO(content))
    lines = iter_lines(file, encoding, max_line)
    if file_format == ".jsonl":
        return list(jsonl_records(lines, Path("a.jsonl"), ReadOptions()))
    return list(delimited_records(lines, Path("a.csv"), ReadOptions(), max_line))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("file_format", [".csv", ".jsonl"])
def test_endless_line_is_one_bad_row(file_format: str, encoding: str) -> None:
    titles = ["股市", "长" * 7_000, "晴"]
    rows = [json.dumps({"title": title}) for title in titles]
    text = "\n".join(rows if file_format == ".jsonl" else ["title", *titles])
    first, long, last = read_lines(text.encode(encoding), file_format, encoding, 1_000)
    assert (first.fields, last.fields) == ({"title": "股市"}, {"title": "晴"})
    assert long.problem
    assert len(long.raw) <= 2 * 1_000  # UTF-16 has two bytes per character


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("file_format", [".csv", ".jsonl"])
def test_no_row_is_lost_near_the_maximum_line_length(
    file_format: str, end: str, encoding: str
) -> None:
    """The file is read in blocks of the maximum length, which may end anywhere."""
    titles = ["股市"[: n % 2 + 1] + "x" * (n % 37) for n in range(400)]
    rows = titles if file_format == ".csv" else [f'{{"title":"{title}"}}' for title in titles]
    content = end.join(["title", *rows] if file_format == ".csv" else rows).encode(encoding)
    for max_line in range(50, 70):
        records = read_lines(content, file_format, encoding, max_line)
        assert len(records) == len(titles)
        assert all(
            record.problem or record.fields["title"] == title
            for record, title in zip(records, titles, strict=True)
        )
