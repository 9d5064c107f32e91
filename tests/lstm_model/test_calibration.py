from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_model.calibration import Calibration, log_probabilities

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits.astype(np.float64))
    return exp / exp.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1, 3.0])
def test_probabilities_are_the_softmax_at_temperature(temperature) -> None:
    probabilities = Calibration(temperature).probabilities(LOGITS)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, softmax(LOGITS / temperature), atol=1e-6)


def test_higher_temperature_lowers_confidence_not_labels() -> None:
    cold, warm = Calibration(1.0), Calibration(2.0)
    before, after = cold.probabilities(LOGITS), warm.probabilities(LOGITS)
    assert np.all(after.max(axis=1) < before.max(axis=1))
    np.testing.assert_array_equal(cold.labels(before), warm.labels(after))


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[3e4, -3e4, 0], [-3e38, -3e38, -3e38]], dtype=np.float32)
    probabilities = Calibration().probabilities(logits)
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3], atol=1e-6)


def test_label_is_the_most_probable_class() -> None:
    probabilities = softmax(LOGITS).astype(np.float32)
    labels = Calibration().labels(probabilities)
    assert labels.dtype == np.int8
    np.testing.assert_array_equal(labels, LOGITS.argmax(axis=1))
    assert Calibration().labels(np.full((1, 3), 1 / 3, np.float32)) == [0]  # level: the first


def test_lower_threshold_favours_its_class() -> None:
    probabilities = np.array([[0.3, 0.5, 0.2], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1]], np.float32)
    # Multiples of the thresholds: (1.2, 1, 0.2), (0.8, 1, 0.3), (0.4, 1.6, 0.1).
    calibration = Calibration(thresholds=(0.25, 0.5, 1.0))
    np.testing.assert_array_equal(calibration.labels(probabilities), [0, 1, 1])


def test_no_rows() -> None:
    empty = np.empty((0, 3), np.float32)
    assert Calibration().probabilities(empty).shape == (0, 3)
    assert Calibration().labels(empty).shape == (0,)


@pytest.mark.parametrize("bad", [0, -1.0, 1e-39, 1e9, 10**400, math.inf, math.nan, "1", None, True])
def test_bad_numbers_are_rejected(bad) -> None:
    with pytest.raises(ValueError, match=r"must be from 0\.001 to 1000"):
        Calibration(temperature=bad)
    with pytest.raises(ValueError, match=r"must be from 0\.001 to 1000"):
        Calibration(thresholds=(1.0, bad, 1.0))
    with pytest.raises(ValueError, match="must be 3 numbers"):
        Calibration(thresholds=(1.0, 1.0))


def test_to_plain_data_and_back() -> None:
    calibration = Calibration(1.25, (0.5, 1.0, 1.5))
    assert Calibration.from_dict(calibration.to_dict()) == calibration
    with pytest.raises(ValueError, match="were expected"):
        Calibration.from_dict({"temperature": 1.0})


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    of_labels = softmax(logits / temperature)[np.arange(len(labels)), labels]
    return float(-np.log(of_labels).mean())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fit_recovers_a_known_temperature(temperature) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 3)).astype(np.float32)
    chances = softmax(logits / temperature).cumsum(axis=1)
    labels = (rng.random((20_000, 1)) > chances).sum(axis=1).clip(max=2)
    fitted = Calibration.fitted(logits, labels)
    assert fitted.temperature == pytest.approx(temperature, rel=0.05)
    assert fitted.thresholds == (1.0, 1.0, 1.0)
    shifted = log_probabilities(softmax(logits).astype(np.float32))
    assert Calibration.fitted(shifted, labels).temperature == pytest.approx(
        fitted.temperature, rel=1e-3
    )


ROWS = st.tuples(*[st.floats(-8, 8)] * 3, st.integers(0, 2))


@settings(deadline=None, derandomize=True)
@given(st.lists(ROWS, max_size=30))
def test_fitted_temperature_is_optimal_on_its_rows(rows) -> None:
    table = np.array(rows).reshape(-1, 4)
    logits, labels = table[:, :3], table[:, 3].astype(int)
    fitted = Calibration.fitted(logits, labels).temperature
    right = len(rows) > 0 and (logits.max(axis=1) == logits[np.arange(len(labels)), labels]).all()
    if not rows or right:
        assert fitted == 1.0
    else:
        for other in (0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0):
            assert nll(logits, labels, fitted) <= nll(logits, labels, other) + 1e-9


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.empty((0, 3)), []),
        (np.full((4, 3), 7.0), [0, 1, 2, 2]),
        ([[3, 1, 0], [0, 2, 1]], [0, 1]),
    ],
    ids=["no rows", "level logits", "every label the most probable"],
)
def test_undecided_temperature_stays_at_1(logits, labels) -> None:
    assert Calibration.fitted(np.array(logits), np.array(labels, int)) == Calibration()


def test_fitted_temperature_is_bounded() -> None:
    always_wrong = Calibration.fitted(np.array([[5.0, 1, 0]] * 3), np.array([2, 2, 2]))
    assert always_wrong.temperature == pytest.approx(20)
    hardly_apart = np.array([[1e-4, 0, 0]] * 10)
    mostly_right = Calibration.fitted(hardly_apart, np.array([0] * 9 + [1]))
    assert mostly_right.temperature == pytest.approx(0.05)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_temperature_can_be_undone(temperature) -> None:
    calibration = Calibration(temperature)
    again = calibration.at_temperature_1(calibration.probabilities(LOGITS))
    np.testing.assert_allclose(again, softmax(LOGITS), atol=1e-5)


def test_logarithm_of_a_zero_probability_is_finite() -> None:
    lost = Calibration().probabilities(np.array([[0, -300, -400]], np.float32))
    assert lost[0, 1] == 0
    assert np.isfinite(log_probabilities(lost)).all()
