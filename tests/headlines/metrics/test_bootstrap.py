"""Bootstrap intervals agree with theory and simulation."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.metrics import bootstrap
from headlines.metrics.bootstrap import RESAMPLES, bootstrap_intervals, resample_counts
from headlines.metrics.classification import class_f1, classification_metrics, confusion_matrix

CELLS = np.array([[40, 50, 10], [30, 560, 60], [10, 80, 160]])  # similar to the corpus


def test_accuracy_is_about_as_uncertain_as_a_share() -> None:
    low, high = bootstrap_intervals(CELLS)["accuracy"]
    share = 760 / 1000
    half = 1.96 * math.sqrt(share * (1 - share) / 1000)
    assert low == pytest.approx(share - half, abs=0.002)
    assert high == pytest.approx(share + half, abs=0.002)


def test_resampling_cells_equals_resampling_rows() -> None:
    labels, predictions = np.repeat(np.argwhere(CELLS >= 0), CELLS.ravel(), axis=0).T
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, 1000, 1000) for _ in range(3000)]
    by_rows = [class_f1(confusion_matrix(labels[rows], predictions[rows])) for rows in drawn]
    found = bootstrap_intervals(CELLS)
    assert found["macro_f1"] == pytest.approx(
        np.quantile(np.mean(by_rows, axis=1), [0.025, 0.975]), abs=0.005
    )
    assert found["classes"]["positive"] == pytest.approx(
        np.quantile(np.array(by_rows)[:, 0], [0.025, 0.975]), abs=0.01
    )


def test_intervals_cover_the_true_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)  # enough for many samples
    truth = {"accuracy": 0.76, "macro_f1": float(class_f1(CELLS).mean())}
    samples = np.random.default_rng(2).multinomial(500, CELLS.ravel() / 1000, 400)
    found = [bootstrap_intervals(sample.reshape(3, 3)) for sample in samples]
    for name, value in truth.items():
        covered = np.mean([low <= value <= high for low, high in (one[name] for one in found)])
        assert 0.92 < covered < 0.98  # 0.95 ± 3 standard errors of 400 samples


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=9, max_size=9).filter(any))
def test_an_interval_contains_its_metric(counts: list[int]) -> None:
    matrix = np.array(counts).reshape(3, 3)
    drawn = resample_counts(matrix)
    assert drawn.shape == (RESAMPLES, 3, 3)
    assert (drawn.sum(axis=(1, 2)) == matrix.sum()).all()
    assert not drawn[:, matrix == 0].any()
    found = bootstrap_intervals(matrix)
    labels, predictions = np.repeat(np.argwhere(matrix >= 0), matrix.ravel(), axis=0).T
    low, high = found["accuracy"]
    assert 0 <= low <= classification_metrics(labels, predictions)["accuracy"] <= high <= 1
    assert found == bootstrap_intervals(matrix)


def test_without_rows_there_is_no_interval() -> None:
    nothing = bootstrap_intervals(np.zeros((3, 3), int))
    assert (nothing["accuracy"], nothing["macro_f1"]) == (None, None)
    assert set(nothing["classes"].values()) == {None}

    one_class = bootstrap_intervals(np.array([[0, 0, 0], [5, 95, 0], [0, 0, 0]]))
    assert (one_class["classes"]["positive"], one_class["classes"]["negative"]) == (None, None)
    low, high = one_class["classes"]["neutral"]
    assert 0.9 < low < 2 * 95 / 195 < high <= 1
    assert json.loads(json.dumps(one_class)) == one_class


def test_without_mistakes_the_interval_has_no_width() -> None:
    assert bootstrap_intervals(np.diag([3, 4, 5]))["accuracy"] == [1.0, 1.0]
