"""Paired comparison: its power, its false positives, and its agreement with McNemar's test."""

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from headlines.labels import LABELS
from headlines.metrics import bootstrap
from headlines.metrics.bootstrap import (
    RESAMPLES,
    bootstrap_intervals,
    paired_bootstrap,
    paired_cross_entropy,
)
from headlines.metrics.classification import confusion_matrix

Ints = npt.NDArray[np.int64]


def two_classifiers(only_ours: int, only_theirs: int, rows: int = 1000) -> tuple[Ints, Ints, Ints]:
    """Labels and two predictions: the rows that only one has right, a fifth neither."""
    labels = np.arange(rows) % 3
    ours, theirs = labels.copy(), labels.copy()
    ours[:only_theirs] = (labels[:only_theirs] + 1) % 3
    theirs[only_theirs : only_theirs + only_ours] += 1
    both_wrong = slice(rows - rows // 5, rows)
    ours[both_wrong] += 1
    theirs[both_wrong] += 1
    return labels, ours % 3, theirs % 3


def test_the_same_predictions_are_not_better() -> None:
    labels, ours, _ = two_classifiers(10, 10)
    found = paired_bootstrap(labels, ours, ours)
    for figure in (found.macro_f1, found.accuracy):
        assert (figure.difference, figure.low, figure.high, figure.p) == (0, 0, 0, 1)
    assert found.classes == dict.fromkeys(LABELS, 0)


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=80))
def test_differences_equal_those_of_scikit_learn(cells: list[tuple[int, int, int]]) -> None:
    labels, ours, theirs = np.array(cells).T

    def f1(predictions: Ints) -> Ints:
        return reference.f1_score(labels, predictions, labels=[0, 1, 2], average=None)

    found = paired_bootstrap(labels, ours, theirs)
    by_class = f1(ours) - f1(theirs)
    assert list(found.classes) == list(LABELS)
    assert list(found.classes.values()) == pytest.approx(by_class)
    assert found.macro_f1.difference == pytest.approx(by_class.mean())
    assert found.accuracy.difference == pytest.approx(
        (ours == labels).mean() - (theirs == labels).mean()
    )
    for figure in (found.macro_f1, found.accuracy):
        assert -1 <= figure.low <= figure.high <= 1
        assert 1 / (RESAMPLES + 1) <= figure.p <= 1
    turned = paired_bootstrap(labels, theirs, ours)
    assert turned.macro_f1.difference == pytest.approx(-found.macro_f1.difference)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


@pytest.mark.parametrize(("better", "worse"), [(40, 20), (30, 20), (25, 25), (20, 30), (60, 25)])
def test_the_p_value_is_close_to_the_exact_test(better: int, worse: int) -> None:
    # McNemar's exact test, mid-p: each row that only one has right is a fair coin toss.
    tosses = better + worse
    probability = [math.comb(tosses, heads) / 2**tosses for heads in range(tosses + 1)]
    exact = sum(probability[better:]) - probability[better] / 2
    found = paired_bootstrap(*two_classifiers(better, worse))
    assert found.accuracy.difference == pytest.approx((better - worse) / 1000)
    assert found.accuracy.p == pytest.approx(exact, abs=0.03)  # it counts all ties, not half


def test_pairing_is_sharper_than_two_intervals() -> None:
    labels, ours, theirs = two_classifiers(40, 10)
    found = paired_bootstrap(labels, ours, theirs)
    assert found.macro_f1.low > 0
    assert found.macro_f1.p < 0.025
    assert (
        bootstrap_intervals(confusion_matrix(labels, ours))["macro_f1"][0]
        < bootstrap_intervals(confusion_matrix(labels, theirs))["macro_f1"][1]
    )


def test_equal_classifiers_seldom_differ_significantly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)  # enough for many samples
    rng = np.random.default_rng(5)
    found = []
    for _ in range(300):
        labels = rng.choice(3, 400, p=[0.1, 0.65, 0.25])
        ours, theirs = (
            np.where(rng.random(400) < 0.75, labels, rng.integers(0, 3, 400)) for _ in range(2)
        )
        found.append(paired_bootstrap(labels, ours, theirs).macro_f1.p < 0.05)
    assert 0.02 < np.mean(found) < 0.09  # 0.05 ± 3 standard errors of 300 pairs


def test_unequal_or_empty_inputs_are_refused() -> None:
    some = np.array([0, 1])
    with pytest.raises(ValueError, match=r"\(2,\), \(2,\) and \(1,\)"):
        paired_bootstrap(some, some, some[:1])
    with pytest.raises(ValueError, match="at least one row"):
        paired_bootstrap(some[:0], some[:0], some[:0])


def test_cross_entropy_differs_as_scikit_learn_says() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 400)
    ours, theirs = rng.dirichlet(np.ones(3), 400), rng.dirichlet(np.ones(3), 400)
    found = paired_cross_entropy(labels, ours, theirs)
    expected = reference.log_loss(labels, ours) - reference.log_loss(labels, theirs)
    assert found.difference == pytest.approx(expected)
    assert found.low < found.difference < found.high
    turned = paired_cross_entropy(labels, theirs, ours)
    assert (turned.difference, turned.low, turned.high) == pytest.approx(
        (-found.difference, -found.high, -found.low)
    )
    assert found.p + turned.p == pytest.approx(1, abs=2 / RESAMPLES)
    assert paired_cross_entropy(labels, ours, ours).p == 1


def test_cross_entropy_finds_equal_models_better_one_time_in_twenty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)  # enough for many samples
    rng = np.random.default_rng(4)
    labels = np.zeros(200, int)
    better = []
    for _ in range(400):
        ours, theirs = rng.dirichlet(np.ones(3), 200), rng.dirichlet(np.ones(3), 200)
        better.append(paired_cross_entropy(labels, ours, theirs).p < 0.05)
    assert 0.02 < np.mean(better) < 0.083  # 0.05 ± 3 standard errors of 400 samples
