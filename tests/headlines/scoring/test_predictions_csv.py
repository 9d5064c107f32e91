"""Predictions as CSV: every row, no formulas, and all or nothing."""

import csv
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact
from headlines.labels import LABELS
from headlines.scoring.predictions_csv import write_predictions_csv
from headlines.scoring.score_chunks import PREDICTION_SCHEMA
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST, Recipe

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")',
    "＝1+1", "＋1", "－1", "＠SUM(A1)",
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, strict=True))[1:]


@pytest.fixture
def predictions(root: DataRoot) -> Artifact:
    """Predictions in two parts, one of them of two row groups."""
    rows = [
        {
            "row": row,
            "record_id": str(row),
            "id": None if row == 1 else f"-{row}",
            "title": FORMULAS[row % len(FORMULAS)] + "\n天气",
            "label": row % 3,
            "label_name": LABELS[row % 3],
            "probability": 0.5,
            **dict.fromkeys([f"p_{name}" for name in LABELS], 0.25),
            "model": "one",
            "extra": None if row == 2 else '{"a":"=1"}',
        }
        for row in range(30)
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)

    def write(draft: Path) -> dict[str, Any]:
        pq.write_table(table[:20], draft / "part-00000.parquet", row_group_size=7)
        pq.write_table(table[20:], draft / "part-00001.parquet")
        return {}

    recipe = Recipe("predictions", 1, (), {})
    return root.store.publish(root.predictions_of("a.csv"), recipe, write)


@pytest.mark.usefixtures("predictions")
def test_predictions_are_written_with_their_batch(root: DataRoot, path: Path) -> None:
    write_predictions_csv(root, path, "a.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert ",".join(header) == (
        "batch,row,id,title,label,label_name,probability,p_positive,p_neutral,p_negative,model,extra"
    )
    assert [row[:3] for row in rows[:3]] == [
        ["a.csv", "0", "'-0"], ["a.csv", "1", ""], ["a.csv", "2", "'-2"],
    ]  # fmt: skip
    assert [int(row[1]) for row in rows] == list(range(30))
    assert [row[3] for row in rows] == [
        f"'{FORMULAS[row % len(FORMULAS)]}\n天气" for row in range(30)
    ]
    assert rows[4][4:] == ["1", "neutral", "0.5", "0.25", "0.25", "0.25", "one", '{"a":"=1"}']
    assert rows[2][-1] == ""


def test_predictions_that_are_damaged_are_not_written(
    root: DataRoot, predictions: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "a.csv"
    path.parent.mkdir()
    path.write_text("old")
    part = predictions.directory / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamagedArtifact):
        write_predictions_csv(root, path, "a.csv")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_predictions_that_are_gone_are_not_written(root: DataRoot, path: Path) -> None:
    with pytest.raises(RuntimeError, match="no longer"):
        write_predictions_csv(root, path, "a.csv")
    assert not path.exists()


def test_predictions_replaced_while_reading_are_not_written(
    root: DataRoot, predictions: Artifact, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_and_replace(_: str) -> Artifact:
        manifest = predictions.directory / MANIFEST
        other = replace(predictions.manifest, key="other")
        manifest.write_text(other.to_json(), "utf-8")
        return predictions

    monkeypatch.setattr(root.store, "open", open_and_replace)
    with pytest.raises(RuntimeError, match="were replaced"):
        write_predictions_csv(root, path, "a.csv")
    assert not path.exists()


def test_one_row_group_is_held_at_a_time(root: DataRoot, tmp_path: Path) -> None:
    def peak(groups: int) -> int:
        rows = 2_000
        columns = {field.name: pa.array([1] * rows).cast(field.type) for field in PREDICTION_SCHEMA}
        table = pa.table(columns, schema=PREDICTION_SCHEMA)

        def write(draft: Path) -> dict[str, Any]:
            with pq.ParquetWriter(draft / "part-00000.parquet", PREDICTION_SCHEMA) as file:
                for _ in range(groups):
                    file.write_table(table)
            return {}

        batch = f"{groups}.csv"
        recipe = Recipe("predictions", 1, (), {})
        root.store.publish(root.predictions_of(batch), recipe, write)
        tracemalloc.start()
        try:
            write_predictions_csv(root, tmp_path / batch, batch)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # what is made once
    assert peak(12) < 1.5 * peak(3)
