"""Ids and titles of awkward files, from the file to the predictions."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from headlines import predict
from headlines.models import champion
from headlines.readers import ReadOptions, Record
from headlines.readers.titles import record_id
from headlines.scoring.batch import Batch
from headlines.scoring.rows import validate_row
from headlines.scoring.run_batch import BatchResult
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.score import run, score_options

DATA = Path(__file__).with_name("data")


@pytest.fixture
def scored(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, publish_model: Callable[..., Artifact]
) -> Callable[[Path], tuple[BatchResult, list[dict[str, Any]]]]:
    """Scores a file by a champion with random weights; gives the result and the predictions."""
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))
    publish_model(root, "one")
    champion.promote(root, "one", "a test")

    def score(file: Path) -> tuple[BatchResult, list[dict[str, Any]]]:
        result = run(root, Batch.of_file(root, file), score_options(max_rejects=10))
        return result, pq.read_table(result.predictions, partitioning=None).to_pylist()

    return score


Scored = Callable[[Path], tuple[BatchResult, list[dict[str, Any]]]]


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("nan_ids.jsonl", [None, None, "1"]),
        ("float_ids.parquet", ["1", "2", None]),
        ("index_ids.parquet", ["5", "6", "9"]),
    ],
)
def test_ids_of_a_file(scored: Scored, name: str, ids: list[str | None]) -> None:
    _, rows = scored(DATA / name)
    assert [row["id"] for row in rows] == ids


def test_other_columns_are_strict_json(scored: Scored) -> None:
    _, rows = scored(DATA / "nan_ids.jsonl")
    extras = [row["extra"] and json.loads(row["extra"], parse_constant=pytest.fail) for row in rows]
    assert extras == [{"x": None, "y": None}, {"x": None}, None]


def test_titles_without_anything_visible_are_blank(scored: Scored) -> None:
    result, rows = scored(DATA / "invisible.csv")
    assert [(row["row"], row["title"]) for row in rows] == [(7, "股市大涨")]
    assert result.reasons == {"title is blank": 7}


def test_marks_that_do_not_show_change_no_prediction(scored: Scored) -> None:
    _, rows = scored(DATA / "bidi.csv")
    plain = ["股市大涨", "小学生获奖"]
    assert [row["title"] for row in rows] == [f"\u202e{plain[0]}\u202c", f"\u2066{plain[1]}\u2069"]
    assert [row["record_id"] for row in rows] == [record_id(title) for title in plain]
    expected = predict(plain)
    for row, probabilities in zip(rows, expected, strict=True):
        assert [row[f"p_{name}"] for name in ("positive", "neutral", "negative")] == list(
            probabilities
        )
        assert row["label"] == probabilities.argmax()
    assert (predict([row["title"] for row in rows]) == expected).all()


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (1, "1"),
        (2**70, str(2**70)),
        (1.0, "1"),
        (-3.0, "-3"),
        (-0.0, "0"),
        (1e16, "10000000000000000"),
        (2.0**53, "9007199254740992"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        ("1.0", "1.0"),
        ("nan", "nan"),
        ("", ""),
    ],
)
def test_an_id_as_text(value: object, identity: str | None) -> None:
    record = Record(0, {"title": "天气", "id": value})
    assert validate_row(record, ReadOptions()).id == identity


def frame(index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame({"title": ["天气", "火灾", "喜讯"]}, index=index)


def ids_of(scored: Scored, path: Path) -> list[Any]:
    return [row["id"] for row in scored(path)[1]]


@pytest.mark.parametrize(
    ("index", "ids"),
    [
        (pd.RangeIndex(5, 8, name="id"), ["5", "6", "7"]),
        (pd.RangeIndex(9, 3, -2, name="id"), ["9", "7", "5"]),
        (pd.Index([3, 1, 2], name="id"), ["3", "1", "2"]),
        (pd.Index(["a", "b", "c"], name="id"), ["a", "b", "c"]),
        (pd.RangeIndex(5, 8), [None] * 3),
    ],
    ids=str,
)
def test_ids_in_an_index_of_pandas(
    scored: Scored, tmp_path: Path, index: pd.Index, ids: list[str | None]
) -> None:
    frame(index).to_parquet(tmp_path / "news.parquet")
    assert ids_of(scored, tmp_path / "news.parquet") == ids


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"[1]",
        b'{"index_columns": 7}',
        b'{"index_columns": [{"kind": "range", "name": "id"}]}',
        b'{"index_columns": [{"kind":"range","name":"id","start":0,"stop":9,"step":0}]}',
        b'{"index_columns": [{"kind":"range","name":["id"],"start":0,"stop":3,"step":1}]}',
        # Of another length: the file was filtered since.
        b'{"index_columns": [{"kind":"range","name":"id","start":0,"stop":9,"step":1}]}',
        b'{"index_columns": [{"kind":"range","name":"id","start":0,"stop":1e99,"step":1}]}',
    ],
)
def test_metadata_that_fits_no_index_is_ignored(
    scored: Scored, tmp_path: Path, metadata: bytes
) -> None:
    content = io.BytesIO()
    frame(pd.RangeIndex(0, 3, name="id")).to_parquet(content)
    table = pq.read_table(content).replace_schema_metadata({b"pandas": metadata})
    pq.write_table(table, tmp_path / "news.parquet")
    assert ids_of(scored, tmp_path / "news.parquet") == [None] * 3
