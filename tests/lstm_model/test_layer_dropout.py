"""The two dropouts of `CustomLSTM`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

from .layers import INPUT, UNITS, X, assert_close, built, inputs


def test_dropout_drops_the_same_inputs_at_every_step() -> None:
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = built(dropout=0.25, seed=1, return_sequence=True)(x, training=True)
    kept = tape.gradient(outputs, x).numpy() != 0
    assert (kept == kept[:, :1]).all()
    assert 0 < kept.mean() < 1
    expected = built(return_sequence=True)(X * kept / 0.75)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def unrolled(layer: CustomLSTM, x, h, c, mask=None, h_mask=1) -> tuple[Any, Any, Any]:
    """Outputs in the order of reading, h and c, one `LSTMCell.step` after another."""
    outputs = []
    steps = range(x.shape[1])
    for t in reversed(steps) if layer.go_backwards else steps:
        next_h, next_c = layer.cell.step(x[:, t], h * h_mask, c)
        read = True if mask is None else mask[:, t, None]
        h, c = tf.where(read, next_h, h), tf.where(read, next_c, c)
        outputs.append(h)
    return tf.stack(outputs, axis=1), h, c


@pytest.mark.parametrize("go_backwards", [False, True])
def test_recurrent_dropout_is_the_same_at_every_step(go_backwards) -> None:
    options = {"return_sequence": True, "return_state": True, "go_backwards": go_backwards}
    x, h, c = inputs()
    with tf.GradientTape() as tape:
        tape.watch(h)
        layer = built(recurrent_dropout=0.25, seed=1, **options)
        results = layer(x, initial_state=[h, c], training=True)
    kept = tape.gradient(results[0], h).numpy() != 0
    assert 0 < kept.mean() < 1
    expected = unrolled(built(**options), x, h, c, h_mask=kept.astype(np.float32) / 0.75)
    assert_close(results, expected, 1e-6)


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_preserves_the_expected_value(name) -> None:
    rows = 4000
    x, h, c = tf.ones((rows, 1, INPUT)), tf.ones((rows, UNITS)), tf.zeros((rows, UNITS))
    with tf.GradientTape() as tape:
        tape.watch([x, h])
        layer = built(seed=0, **{name: 0.3})
        result = layer(x, initial_state=[h, c], training=True)
    gradient = tape.gradient(result, x if name == "dropout" else h)
    factors = (gradient.numpy() != 0) / 0.7  # what the values were multiplied with, see above
    assert factors.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_is_only_for_training(name) -> None:
    layer = built(seed=0, **{name: 0.5})
    for outside in (layer(X), layer(X, training=False)):
        np.testing.assert_array_equal(outside, built()(X))
    assert np.abs(layer(X, training=True) - layer(X)).max() > 1e-2


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_seed_determines_the_dropout(name) -> None:
    def draws(seed):
        layer = built(seed=seed, **{name: 0.5})
        return [layer(X, training=True).numpy() for _ in range(2)]

    first, second = draws(7)
    assert np.any(first != second)
    np.testing.assert_array_equal(draws(7), [first, second])
    assert np.any(draws(8)[0] != first)
    assert np.any(draws(None)[0] != draws(None)[0])


@pytest.mark.parametrize("rate", [1, -0.1, 1.5, True, float("nan"), "0.5", None])
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_bad_dropout_is_rejected(name, rate) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number .* below 1, but is {rate!r}"):
        CustomLSTM(UNITS, **{name: rate})
