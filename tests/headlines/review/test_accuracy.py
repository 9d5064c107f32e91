"""Accuracy on reviewed headlines: only those drawn by lot, of the last weeks, of one model."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np
import pytest

from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.review.accuracy import ReviewedAccuracy, reviewed_accuracy
from headlines.review.selection import ReviewSize
from headlines.storage.data_root import DataRoot
from tests.factories import make_labels, publish_predictions

MODEL = "2026-11-01-abcdef01"
BY_LOT, CHOSEN = ReviewSize(100, lot=1), ReviewSize(100, lot=0)


def publish(root: DataRoot, batch: str, labels: Sequence[int], model: str = MODEL) -> None:
    """Predictions of headlines that name their label, each with a text of its own."""
    rng = np.random.default_rng(sum(map(ord, batch)))
    titles = [
        LABELS[label] + "".join(map(chr, 0x4E00 + rng.choice(5000, 9, replace=False)))
        for label in labels
    ]
    probabilities = np.full((len(labels), 3), 0.1)
    probabilities[range(len(labels)), labels] = 0.8
    publish_predictions(root, batch, titles, probabilities.tolist(), model)


def as_predicted(title: str) -> str:
    return next(name for name in LABELS if title.startswith(name))


def never_positive(title: str) -> str:
    """What is predicted, but neutral for all that is predicted positive."""
    return as_predicted(title).replace("positive", "neutral")


def test_figures_have_their_intervals(root: DataRoot) -> None:
    publish(root, "a.csv", [0] * 3 + [1] * 9 + [2] * 8)
    make_labels(root, "first", BY_LOT, never_positive)
    reviewed = reviewed_accuracy(root, MODEL)
    assert reviewed is not None
    assert (reviewed.headlines, reviewed.models) == (20, (MODEL,))
    assert reviewed.accuracy == pytest.approx(17 / 20)
    assert reviewed.macro_f1 == pytest.approx((0 + 18 / 21 + 1) / 3)
    # Wilson (1927), with z = 1.96
    p, n, z = 17 / 20, 20, 1.959964
    centre, half = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = tuple((centre + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    assert reviewed.accuracy_interval == pytest.approx(expected)
    assert reviewed.macro_f1_interval[0] < reviewed.macro_f1 < reviewed.macro_f1_interval[1]


def test_only_headlines_by_lot_of_the_last_weeks_count(root: DataRoot) -> None:
    assert reviewed_accuracy(root, MODEL) is None
    publish(root, "a.csv", [0, 1, 2] * 4)
    make_labels(root, "chosen", CHOSEN, never_positive)
    assert reviewed_accuracy(root, MODEL) is None
    publish(root, "b.csv", [1, 2] * 4)
    make_labels(root, "lot", BY_LOT, as_predicted)
    reviewed = reviewed_accuracy(root, MODEL)
    assert reviewed is not None
    assert (reviewed.headlines, reviewed.accuracy) == (20, 1)
    later = datetime.now(UTC) + timedelta(weeks=4, minutes=1)
    assert reviewed_accuracy(root, MODEL, later) is None


def test_another_model_counts_only_where_there_is_nothing_else(root: DataRoot) -> None:
    publish(root, "a.csv", [0, 1, 2], "older")
    make_labels(root, "first", BY_LOT, never_positive)
    of_older = reviewed_accuracy(root, MODEL)
    assert of_older is not None
    assert of_older.models == ("older",)
    publish(root, "b.csv", [1, 2])
    make_labels(root, "second", BY_LOT, as_predicted)
    reviewed = reviewed_accuracy(root, MODEL)
    assert reviewed is not None
    assert (reviewed.headlines, reviewed.models) == (2, (MODEL,))


def test_the_latest_review_of_a_headline_counts(root: DataRoot) -> None:
    publish(root, "a.csv", [0, 1, 2])
    make_labels(root, "first", BY_LOT, as_predicted)
    make_labels(root, "second", ReviewSize(100, lot=1, again=True), never_positive)
    reviewed = reviewed_accuracy(root, MODEL)
    assert reviewed is not None
    assert reviewed.headlines == 3
    assert reviewed.accuracy == pytest.approx(2 / 3)


def test_an_interval_below_the_evaluation_is_a_warning() -> None:
    reviewed = ReviewedAccuracy(200, (MODEL,), 0.7, (0.63, 0.76), 0.6, (0.5, 0.7))
    assert reviewed.below(0.76, 0.7) == []
    assert reviewed.below(None, None) == []
    [accuracy, f1] = reviewed.below(0.77, 0.71)
    assert "accuracy on 200 reviewed headlines is 0.700 (0.630–0.760)" in str(accuracy)
    assert "macro-F1" in str(f1)


def test_damaged_labels_are_reported(root: DataRoot) -> None:
    publish(root, "a.csv", [0, 1, 2])
    labels = make_labels(root, "first", BY_LOT, as_predicted)
    (labels.directory / "labels.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="the labels are damaged"):
        reviewed_accuracy(root, MODEL)
