"""Sample predictions: of every class, reproducible, without duplicates."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.labels import LABELS
from headlines.nightly.samples import first_predictions, samples_by_class
from headlines.readers.titles import record_id


def write_part(directory: Path, number: int, titles: list[str], labels: list[str]) -> None:
    """Write one file of predictions with falling probabilities from 0.99."""
    directory.mkdir(exist_ok=True)
    table = pa.table(
        {
            "record_id": [record_id(title) for title in titles],
            "title": titles,
            "label_name": labels,
            "probability": np.linspace(0.99, 0.4, len(titles), dtype=np.float32),
        }
    )
    pq.write_table(table, directory / f"part-{number:05d}.parquet")


def test_each_class_has_random_and_least_certain_samples(tmp_path: Path) -> None:
    titles = [f"标题{number}" for number in range(60)]
    for number in range(2):
        half = titles[30 * number : 30 * (number + 1)]
        write_part(tmp_path / "a", number, half, list(LABELS) * 10)
    write_part(tmp_path / "b", 0, ["另一"], ["neutral"])
    (tmp_path / "empty").mkdir()

    found = samples_by_class([tmp_path / "a", tmp_path / "b", tmp_path / "empty"])
    rows = [row for part in tmp_path.glob("*/*") for row in pq.read_table(part).to_pylist()]

    assert list(found) == list(LABELS)
    for place, label in enumerate(LABELS):
        sample = found[label]
        of_class = titles[place::3] + (["另一"] if label == "neutral" else [])
        drawn = sorted(of_class, key=record_id)[:5]
        assert [row["title"] for row in sample.typical] == drawn
        others = [row for row in rows if row["label_name"] == label and row["title"] not in drawn]
        least = sorted(others, key=lambda row: (row["probability"], row["record_id"]))[:3]
        assert [row["title"] for row in sample.unsure] == [row["title"] for row in least]
    assert found == samples_by_class([tmp_path / "b", tmp_path / "empty", tmp_path / "a"])


def test_a_repeated_title_is_shown_once(tmp_path: Path) -> None:
    for batch in ("a", "b"):
        write_part(tmp_path / batch, 0, ["同一个标题"] * 50, ["positive"] * 50)
    found = samples_by_class([tmp_path / "a", tmp_path / "b"])
    assert list(found) == ["positive"]
    assert [row["title"] for row in found["positive"].typical] == ["同一个标题"]
    assert found["positive"].unsure == []


@pytest.mark.parametrize("rows", [3, 7, 40])
def test_no_prediction_is_shown_twice(tmp_path: Path, rows: int) -> None:
    # The smallest ids have the lowest probabilities: both samples would be the same rows.
    titles = sorted((f"标题{number}" for number in range(rows)), key=record_id, reverse=True)
    write_part(tmp_path / "a", 0, titles, ["neutral"] * rows)
    sample = samples_by_class([tmp_path / "a"])["neutral"]
    shown = [row["record_id"] for row in (*sample.typical, *sample.unsure)]
    assert len(shown) == len(set(shown)) == min(rows, 8)


def test_the_first_predictions_are_in_batch_order(tmp_path: Path) -> None:
    titles = [f"标题{number}" for number in range(9)]
    write_part(tmp_path / "a", 1, ["后来"], ["neutral"])
    write_part(tmp_path / "a", 0, titles, ["neutral"] * 9)
    assert [row["title"] for row in first_predictions(tmp_path / "a", 3)] == titles[:3]
    assert first_predictions(tmp_path / "none", 3) == []
