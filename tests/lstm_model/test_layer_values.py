"""Values and gradients of `CustomLSTM`: NumPy, step by step, finite differences."""

from __future__ import annotations

from itertools import product
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

from .layers import (
    EVERY_OPTION,
    INPUT,
    MASK,
    TIME,
    UNITS,
    X,
    assert_close,
    built,
    inputs,
    results_and_gradients,
    textbook,
)


@pytest.mark.parametrize("time", [1, 2, 60])
def test_fused_loop_and_single_steps_match_numpy(time) -> None:
    x = np.random.default_rng(time).standard_normal((2, time, INPUT)).astype(np.float32)
    layer = built(return_sequence=True)
    expected = textbook(layer, x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    np.testing.assert_allclose(built()(x), expected[:, -1], atol=1e-6)
    np.testing.assert_allclose(built(return_sequence=True, fused=False)(x), expected, atol=1e-6)
    h = c = tf.zeros((2, UNITS))
    for t in range(time):
        h, c = layer.cell.step(x[:, t], h, c)
        np.testing.assert_allclose(h, expected[:, t], atol=1e-6)


@pytest.mark.parametrize("t", range(TIME))
def test_every_token_changes_the_output(t) -> None:
    layer = built()
    changed = X.copy()
    changed[:, t] += 1
    assert np.abs(layer(changed) - layer(X)).max() > 1e-4


def test_all_twelve_weights_have_a_gradient() -> None:
    layer = built()
    _, (_, *gradients) = results_and_gradients(layer, inputs()[:1], layer)
    assert len(gradients) == 12
    assert all(np.abs(gradient).max() > 1e-4 for gradient in gradients)


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize(
    ("return_sequence", "go_backwards", "mask"),
    list(product([False, True], [False, True], [None, MASK])),
)
@pytest.mark.parametrize("compiled", [False, True])
def test_fused_gradient_matches_step_by_step(
    return_sequence, go_backwards, mask, dropout, compiled
) -> None:
    def results(fused: bool) -> tuple[list[Any], list[Any]]:
        layer = built(
            return_sequence=return_sequence,
            go_backwards=go_backwards,
            return_state=True,
            dropout=dropout,
            recurrent_dropout=dropout,
            seed=3,
            dtype="float64",
            fused=fused,
        )

        def call(x, h, c):
            return layer(x, initial_state=[h, c], mask=mask, training=True)

        function = tf.function(call) if compiled else call
        return results_and_gradients(function, inputs("float64"), layer)

    ours, gradients = results(fused=True)
    expected, expected_gradients = results(fused=False)
    assert len(gradients) == 3 + 12
    assert_close(ours, expected, 1e-10)
    assert_close(gradients, expected_gradients, 1e-10)


@pytest.mark.parametrize("options", [{}, EVERY_OPTION], ids=["plain", "every option"])
def test_gradients_match_finite_differences(options) -> None:
    layer = CustomLSTM(2, dtype="float64", **options)
    layer.build((None, None, 2))
    mask = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool) if options else None
    values = np.random.default_rng(3)
    state = [tf.Variable(values.standard_normal((2, 2))) for _ in "hc"]
    x = tf.Variable(values.standard_normal((2, 4, 2)))

    @tf.function
    def loss():
        if options:  # the same values dropped every time
            layer.seed_generator.state.assign([0, 3])
        results = layer(x, initial_state=state, mask=mask, training=True)
        return tf.add_n([tf.reduce_sum(result**2) for result in keras.tree.flatten(results)])

    variables = [x, *state, *[w.value for w in layer.trainable_weights]]
    with tf.GradientTape() as tape:
        total = loss()
    gradients = tape.gradient(total, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        value = variable.numpy()
        for place in np.ndindex(value.shape):
            sides = []
            for change in (1e-6, -1e-6):
                moved = value.copy()
                moved[place] += change
                variable.assign(moved)
                sides.append(float(loss()))
            difference = (sides[0] - sides[1]) / 2e-6
            assert float(gradient[place]) == pytest.approx(difference, abs=1e-7)
        variable.assign(value)
