"""Ten thousand rows, a hundred of each kind of poison among them: the books balance."""

import io
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.segmentation import segment
from headlines.storage.data_root import DataRoot
from lstm_model.packed import PackedScorer

from .conftest import Victim

ROWS, OF_EACH_KIND = 10_000, 100
WORDS = ["股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气", "晴", "北京", "公司", " ", ", "]


@dataclass(frozen=True)
class Row:
    """A row of a batch.

    Attributes:
        raw: its bytes, without a line end; of Parquet, the row as JSON.
        fields: its columns, where it is one of Parquet.
        reason: what the reason of its rejection begins with; None where it can be scored.
        title: of one that can be scored.
    """

    raw: bytes
    fields: dict[str, Any]
    reason: str | None
    title: str = ""


def delimited(mark: str, kind: str | None, number: int, title: str) -> Row:
    """A row of CSV or TSV with a poison."""
    identity = f"n-{number}"
    in_quotes = f'"{title}"'
    if mark == "\t" and number % 7 == 0:
        title = in_quotes  # the title's own quotation marks: TSV has no quoting
    cells = {
        None: in_quotes if mark in title or number % 7 == 0 else title,
        "null title": "",
        "blank title": " \u3000 ",
        "NUL": "晴\0",
        "over-long title": "长" * 501,
        "unclosed quote": f'"{title}',
        "too few columns": "",
        "too many columns": f"晴{mark}晴",
    }
    raw = mark.join([identity, cells.get(kind, title), "搜狐"]).encode()
    if kind == "undecodable bytes":
        raw = mark.join([identity, "股"]).encode() + b"\xff\xd5" + f"{mark}搜狐".encode()
    if kind == "too few columns":
        raw = mark.join([identity, "晴"]).encode()
    reasons = {
        "null title": "title is blank",  # it has no null
        "too few columns": "2 columns where the header has 3",
        "too many columns": "4 columns where the header has 3",
        "unclosed quote": "malformed row",
    }
    return Row(raw, {}, kind and reasons.get(kind, REASONS.get(kind)), title)


def json_line(kind: str | None, number: int, title: str) -> Row:
    """A row of JSON lines with a poison."""
    values: dict[str | None, Any] = {
        "null title": None,
        "blank title": " \u3000 ",
        "NUL": f"{title}\0",
        "over-long title": "长" * 501,
    }
    fields = {"id": f"n-{number}", "title": values.get(kind, title), "source": "搜狐"}
    if kind == "null title" and number % 2:
        del fields["title"]
    text = json.dumps(fields, ensure_ascii=False)
    raw = {
        "malformed JSON": text.replace(":", "", 1).encode(),
        "unclosed quote": text[: -len('"}')].encode(),
        "no object": b'["title"]',
        "undecodable bytes": text.replace("n-", "", 1).replace(title, "?").encode(),
    }.get(str(kind), text.encode())
    if kind == "undecodable bytes":
        raw = raw.replace(b"?", b"\xff\xd5")
    reasons = {
        "malformed JSON": "malformed JSON",
        "unclosed quote": "malformed JSON",
        "no object": "the line is no JSON object",
    }
    return Row(raw, {}, kind and reasons.get(kind, REASONS.get(kind)), title)


def parquet_row(kind: str | None, number: int, title: str) -> Row:
    """A row of Parquet with a poison."""
    values: dict[str | None, Any] = {
        "null title": None,
        "blank title": " \u3000 ",
        "NUL": f"{title}\0",
        "over-long title": "长" * 501,
        "undecodable bytes": b"\xff\xd5".decode(errors="surrogateescape"),
    }
    fields = {"id": f"n-{number}", "title": values.get(kind, title), "source": "搜狐"}
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Row(text.encode(errors="surrogateescape"), fields, kind and REASONS[kind], title)


def parquet(rows: list[Row]) -> bytes:
    """A file of rows, whose text need not be UTF-8."""
    columns = {}
    for name in ("id", "title", "source"):
        values = [row.fields[name] for row in rows]
        encoded = [value and value.encode(errors="surrogateescape") for value in values]
        columns[name] = pa.array(encoded, pa.binary()).view(pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


REASONS = {
    "null title": "title is missing",
    "blank title": "title is blank",
    "undecodable bytes": "title has undecodable bytes",
    "NUL": "title has a NUL character",
    "over-long title": "title is longer than 500 characters",
}
COLUMNS = ["too few columns", "too many columns"]
FORMATS: dict[str, tuple[Callable[[str | None, int, str], Row], list[str]]] = {
    ".csv": (lambda *row: delimited(",", *row), [*REASONS, *COLUMNS, "unclosed quote"]),
    ".tsv": (lambda *row: delimited("\t", *row), [*REASONS, *COLUMNS]),
    ".jsonl": (json_line, [*REASONS, "malformed JSON", "unclosed quote", "no object"]),
    ".parquet": (parquet_row, [*REASONS]),
}


def poisoned(suffix: str) -> list[Row]:
    """The rows of a batch, the poisoned ones anywhere among them."""
    seeded = random.Random(suffix)
    make, kinds = FORMATS[suffix]
    poison: list[str | None] = [kind for kind in kinds for _ in range(OF_EACH_KIND)]
    poison += [None] * (ROWS - len(poison))
    seeded.shuffle(poison)
    titles = ("".join(seeded.choices(WORDS, k=5)) + "晴" for _ in poison)
    return [
        make(kind, number, title)
        for number, (kind, title) in enumerate(zip(poison, titles, strict=True))
    ]


def write(path: Path, rows: list[Row]) -> None:
    lines = b"\n".join(row.raw for row in rows) + b"\n"
    header = {".csv": b"id,title,source\n", ".tsv": b"id\ttitle\tsource\n"}.get(path.suffix, b"")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(parquet(rows) if path.suffix == ".parquet" else header + lines)


@pytest.mark.faults
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_row_is_scored_or_rejected_with_its_bytes(
    victim: Victim, tmp_path: Path, suffix: str, count: Callable[..., None]
) -> None:
    data = DataRoot.open(tmp_path)
    name = f"poison{suffix}"
    rows = poisoned(suffix)
    victim.do("first_model", tmp_path)
    write(tmp_path / data.inbox / name, rows)

    victim.do("score", tmp_path, name=name, chunk_rows=2_500)

    predictions = data.store.open(data.predictions_of(name))
    assert predictions
    bad = {number: row for number, row in enumerate(rows) if row.reason}
    clean = [number for number, row in enumerate(rows) if not row.reason]
    table = pa.concat_tables(
        pq.read_table(path, partitioning=None) for path in predictions.files(".parquet")
    )
    rejects = pq.read_table(
        tmp_path / data.rejects_of(name) / "part-00000.parquet", partitioning=None
    ).to_pylist()
    count(
        f"poison in {suffix}", rows=len(rows), scored=len(table), rejected=len(rejects),
        kinds=len({row.reason for row in bad.values()}),
    )  # fmt: skip

    assert predictions.counts["rows_in"] == ROWS
    assert predictions.counts["scored"] == len(table) == len(clean)
    assert predictions.counts["rejected"] == len(rejects) == len(bad)
    assert [reject["row"] for reject in rejects] == list(bad)
    for reject in rejects:
        row = bad[reject["row"]]
        assert reject["reason"].startswith(str(row.reason))
        assert reject["raw"] == row.raw
    assert predictions.counts["reasons"] == Counter(reject["reason"] for reject in rejects)

    titles = [rows[number].title for number in clean]
    assert table.column("row").to_pylist() == clean
    assert table.column("id").to_pylist() == [f"n-{number}" for number in clean]
    assert table.column("title").to_pylist() == titles
    expected = PackedScorer.load(tmp_path / data.model("first")).predict(segment(titles))
    given = np.stack([table.column(f"p_{p}") for p in ("positive", "neutral", "negative")], axis=1)
    np.testing.assert_allclose(given, expected, atol=1e-6)
