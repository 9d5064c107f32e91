"""Training on soft labels and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lstm_model.examples import UNLABELLED, Examples, digest, split, validate
from lstm_model.presets import Preset
from lstm_model.trainer import mean_loss
from lstm_model.training import train

MakePreset = Callable[..., Preset]
WORDS = ("涨", "平", "跌")
ROWS = Examples([[WORDS[n % 3], "股市"] for n in range(24)], np.arange(24) % 3)


def one_hot(examples: Examples) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[examples.labels]


@pytest.mark.parametrize("adversarial", [0.0, pytest.param(0.5, marks=pytest.mark.integration)])
def test_one_hot_soft_labels_train_as_labels_do(
    make_preset: MakePreset, tmp_path: Path, adversarial: float
) -> None:
    preset = make_preset(label_smoothing=0.0, epochs=2, adversarial=adversarial)
    given = train(preset, ROWS, ROWS, tmp_path / "labels")
    soft = Examples(
        ROWS.token_lists,
        np.full(24, UNLABELLED),
        soft_labels=one_hot(ROWS),
        weights=np.ones(24, np.float32),
    )
    taught = train(preset, soft, ROWS, tmp_path / "soft")
    assert taught.history == given.history
    for name, weight in given.weights.items():
        np.testing.assert_array_equal(taught.weights[name], weight, err_msg=name)


def test_the_same_weight_for_all_is_no_weight() -> None:
    weighted = dataclasses.replace(ROWS, weights=np.full(24, 0.3, np.float32))
    np.testing.assert_array_equal(weighted.relative_weights(), ROWS.relative_weights())


def test_a_weight_of_two_counts_like_the_row_twice() -> None:
    logits = tf.constant(np.random.default_rng(0).standard_normal((2, 3, 3)), tf.float32)
    target = tf.constant([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.6, 0.4]])
    weights = Examples([[]] * 3, np.zeros(3, int), weights=np.array([1, 2, 1], np.float32))
    twice = [0, 1, 1, 2]
    expected = mean_loss(tf.gather(target, twice), tf.gather(logits, twice, axis=1))
    assert float(mean_loss(target, logits, weights.relative_weights())) == pytest.approx(
        float(expected), rel=1e-6
    )


def test_gradient_is_the_distance_to_the_soft_label() -> None:
    logits = tf.constant(np.random.default_rng(1).standard_normal((1, 4, 3)), tf.float32)
    target = np.random.default_rng(2).dirichlet(np.ones(3), 4).astype(np.float32)
    weights = np.array([0.5, 1.5, 0.2, 1.8], np.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = mean_loss(target, logits, weights)
    expected = weights[:, None] * (tf.nn.softmax(logits[0]) - target) / 4
    np.testing.assert_allclose(tape.gradient(loss, logits)[0], expected, atol=1e-7)


@pytest.mark.integration
def test_heavier_rows_win_over_others(make_preset: MakePreset, tmp_path: Path) -> None:
    # The same titles are labelled 0 and 2; the weights decide.
    rows = Examples([["股市"]] * 24, np.array([0, 2] * 12))
    preset = make_preset(epochs=6, learning_rate=0.05, dropout=0.0)
    for heavy in (0, 2):
        weights = np.where(rows.labels == heavy, 10, 1).astype(np.float32)
        weighted = dataclasses.replace(rows, weights=weights)
        dev = Examples([["股市"]], np.array([heavy]))
        trained = train(preset, weighted, dev, tmp_path / str(heavy))
        assert trained.history[-1]["dev_accuracy"] == 1


def test_only_labels_are_smoothed() -> None:
    soft = np.array([[np.nan] * 3, [0.0, 1.0, 0.0]], np.float32)
    rows = Examples([["a"], ["b"]], np.array([0, 0]), soft_labels=soft)
    np.testing.assert_allclose(rows.targets(0.3), [[0.8, 0.1, 0.1], [0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"soft_labels": np.ones((3, 3))}, r"2 rows, but soft labels of shape \(3, 3\)"),
        ({"soft_labels": [[1, 0, 0], [0.5, 0.6, 0]]}, "the soft label of row 1"),
        ({"soft_labels": [[2, -1, 0], [1, 0, 0]]}, "the soft label of row 0"),
        ({"soft_labels": [[1, 0, 0], [np.nan, 0, 1]]}, "the soft label of row 1"),
        ({"weights": [1, 2, 3]}, r"2 rows, but weights of shape \(3,\)"),
        ({"weights": [1, 0]}, "the weight of row 1 is 0"),
        ({"weights": [np.inf, 1]}, "the weight of row 0 is inf"),
        ({"labels": [0, UNLABELLED]}, "the label of row 1 is -1"),
        ({"labels": [0, UNLABELLED], "soft_labels": [[1, 0, 0], [np.nan] * 3]},
         "the label of row 1 is -1"),
    ],
)  # fmt: skip
def test_bad_soft_labels_and_weights_are_refused(fields: dict, message: str) -> None:
    good = Examples([["a"], ["b"]], np.array([0, 1]))
    arrays = {name: np.array(value) for name, value in fields.items()}
    with pytest.raises(ValueError, match=message):
        validate("train", dataclasses.replace(good, **arrays))


def test_dev_is_made_of_rows_with_labels(make_preset: MakePreset) -> None:
    soft = np.full((24, 3), np.nan, np.float32)
    soft[12:] = [0.2, 0.3, 0.5]
    labels = np.where(np.arange(24) < 12, ROWS.labels, UNLABELLED)
    rows = Examples(ROWS.token_lists, labels, soft_labels=soft)
    rest, dev = split(make_preset(validation_split=0.25), rows, None)
    assert dev.labels.tolist() == ROWS.labels[9:12].tolist()
    assert rest.labels.tolist() == [*ROWS.labels[:9], *[UNLABELLED] * 12]
    with pytest.raises(ValueError, match="dev: the label of row 12 is -1"):
        split(make_preset(), rows, rows)


def test_digest_depends_on_soft_labels_and_weights() -> None:
    soft = np.full((24, 3), 1 / 3, np.float32)
    variants = [
        ROWS,
        dataclasses.replace(ROWS, soft_labels=soft),
        dataclasses.replace(ROWS, soft_labels=one_hot(ROWS)),
        dataclasses.replace(ROWS, weights=np.ones(24, np.float32)),
        dataclasses.replace(ROWS, weights=np.full(24, 2, np.float32)),
    ]
    assert len({digest(rows) for rows in variants}) == len(variants)
