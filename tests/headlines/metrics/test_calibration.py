"""Calibration: golden values, a reference implementation, and consistent bins."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from headlines.metrics.calibration import BINS, calibration_metrics

ROWS = st.lists(
    st.tuples(*[st.floats(1 / 128, 1, width=32)] * 3, st.integers(0, 2)), min_size=1, max_size=50
)


def test_a_hand_calculated_example() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.72, 0.18, 0.1], [0.1, 0.5, 0.4]], np.float32)
    labels, predictions = np.array([0, 1, 1]), np.array([0, 0, 1])
    found = calibration_metrics(probabilities, labels, predictions)
    # 0.7 and 0.72 lie in (10/15, 11/15], one of them right; 0.5 in (7/15, 8/15], right.
    assert found["ece"] == pytest.approx((2 * abs(0.5 - 0.71) + 0.5) / 3)
    assert found["nll"] == pytest.approx(-np.log([0.7, 0.18, 0.5]).mean())
    assert found["brier"] == pytest.approx(
        (0.09 + 0.04 + 0.01 + 0.72**2 + 0.82**2 + 0.01 + 0.01 + 0.25 + 0.16) / 3
    )
    filled = [one for one in found["bins"] if one["rows"]]
    assert filled == [
        pytest.approx(
            {"from": 7 / 15, "to": 8 / 15, "rows": 1, "confidence": 0.5, "accuracy": 1.0}
        ),
        pytest.approx(
            {"from": 10 / 15, "to": 11 / 15, "rows": 2, "confidence": 0.71, "accuracy": 0.5}
        ),
    ]


@given(ROWS)
def test_the_bins_hold_every_row_and_give_the_error(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows)
    probabilities = (table[:, :3] / table[:, :3].sum(axis=1, keepdims=True)).astype(np.float32)
    labels, predictions = table[:, 3].astype(np.int8), probabilities.argmax(axis=1)
    found = calibration_metrics(probabilities, labels, predictions)
    filled = [one for one in found["bins"] if one["rows"]]
    assert len(found["bins"]) == BINS
    assert sum(one["rows"] for one in filled) == len(rows)
    for one in filled:
        assert one["from"] - 1e-6 <= one["confidence"] <= one["to"] + 1e-6
    error = sum(one["rows"] * abs(one["accuracy"] - one["confidence"]) for one in filled)
    assert found["ece"] == pytest.approx(error / len(rows))
    exact = probabilities.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    assert found["nll"] == pytest.approx(log_loss(labels, exact, labels=[0, 1, 2]), abs=1e-5)
    assert 0 <= found["ece"] <= 1
    assert 0 <= found["brier"] <= 2
    assert json.loads(json.dumps(found)) == found


def test_log_loss_of_certain_predictions_is_finite() -> None:
    sure = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    said = sure.argmax(axis=1)
    right = calibration_metrics(sure, said, said)
    assert (right["ece"], right["nll"], right["brier"]) == (0, 0, 0)
    wrong = calibration_metrics(sure, np.array([1, 1]), said)
    assert (wrong["ece"], wrong["brier"]) == (1, 2)
    assert 20 < wrong["nll"] < 100


def test_without_rows_there_is_no_calibration_error() -> None:
    nothing = np.array([], np.int64)
    found = calibration_metrics(np.empty((0, 3), np.float32), nothing, nothing)
    assert (found["ece"], found["nll"], found["brier"]) == (None, None, None)
    assert {one["rows"] for one in found["bins"]} == {0}
    assert {one["accuracy"] for one in found["bins"]} == {None}
