from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lstm_model.examples import Examples, digest, macro_f1, split, validate


def examples(*labels: int) -> Examples:
    return Examples([[f"w{n}"] for n in range(len(labels))], np.array(labels))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Examples([], np.array([], dtype=int)), "dev: there are no rows"),
        (Examples([["a"]], np.array([1, 2])), r"dev: 1 rows, but labels of shape \(2,\)"),
        (Examples([["a"]], np.array([[1]])), r"labels of shape \(1, 1\)"),
        (Examples([["a"]], np.array([1.0])), "labels must be integers, not float64"),
        (examples(0, 2, 3), "dev: the label of row 2 is 3, not one of 0..2"),
        (examples(0, -1), "dev: the label of row 1 is -1"),
    ],
)
def test_bad_examples_are_rejected(bad: Examples, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate("dev", bad)


def test_last_rows_are_split_off_as_in_keras(make_preset) -> None:
    preset = make_preset(validation_split=0.1)
    for rows, kept in ((5355, 4819), (10, 9), (15, 13)):
        train, dev = split(preset, examples(*[0] * rows), None)
        assert len(train.token_lists) == len(train.labels) == kept
        assert len(dev.token_lists) == rows - kept
        assert dev.token_lists[0] == [f"w{kept}"]


def test_dev_is_either_given_or_split_off(make_preset) -> None:
    rows = examples(0, 1, 2)
    assert split(make_preset(), rows, rows) == (rows, rows)
    with pytest.raises(ValueError, match="dev must be given"):
        split(make_preset(), rows, None)
    with pytest.raises(ValueError, match="dev must be None"):
        split(make_preset(validation_split=0.5), rows, rows)
    with pytest.raises(ValueError, match=r"3 rows cannot be split with 0\.9"):
        split(make_preset(validation_split=0.9), rows, None)


def test_digest_depends_on_every_value() -> None:
    a, b = examples(0, 1), examples(0, 2)
    others = [
        digest(a, b),
        digest(b, a),
        digest(a),
        digest(Examples([["w0", "w1"], []], np.array([0, 1]))),
        digest(Examples([["w0w1"], []], np.array([0, 1]))),
    ]
    assert len(set(others)) == len(others)
    assert digest(a) == digest(Examples([("w0",), ("w1",)], np.array([0, 1], dtype=np.int8)))


def test_macro_f1_matches_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, predicted = rng.integers(0, 3, 30), rng.integers(0, 3, 30)
        expected = f1_score(labels, predicted, average="macro")
        assert macro_f1(labels, predicted) == pytest.approx(expected)
    assert macro_f1(np.array([1, 1]), np.array([1, 1])) == pytest.approx(1 / 3)
