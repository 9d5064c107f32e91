"""`CustomLSTM` and `keras.layers.LSTM` give the same results, in half precision too."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

from .layers import (
    BATCH,
    INPUT,
    MASK,
    TIME,
    UNITS,
    X,
    assert_close,
    built,
    copied_to_keras,
    inputs,
    results_and_gradients,
    stacked,
)


@pytest.mark.parametrize(
    ("return_sequence", "go_backwards", "mask", "state"),
    list(product([False, True], [False, True], [None, MASK], [False, True])),
)
def test_outputs_and_gradients_match_keras(return_sequence, go_backwards, mask, state) -> None:
    layer = built(return_sequence=return_sequence, go_backwards=go_backwards, return_state=state)
    twin = copied_to_keras(layer)
    # Before the first step that is not masked, Keras shows zeros instead of the given state.
    read = np.ones((BATCH, TIME), bool) if mask is None else mask[:, :: -1 if go_backwards else 1]
    shown = np.logical_or.accumulate(read, axis=1)[:, :, None].astype(np.float32)

    def called(function):
        def results(x, *given):
            result = function(x, initial_state=list(given) or None, mask=mask)
            output, *states = result if state else (result,)
            return [output * (shown if return_sequence else shown[:, -1]), *states]

        return results

    arguments = inputs() if state else inputs()[:1]
    ours, gradients = results_and_gradients(called(layer), arguments, layer)
    expected, of_keras = results_and_gradients(called(twin), arguments, twin)
    assert_close(ours, expected, 1e-5)
    gradients, by_weights = gradients[: len(arguments)], gradients[len(arguments) :]
    assert_close([*gradients, *stacked(layer, by_weights)], of_keras, 1e-5)


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize(
    ("return_sequence", "return_state"), [(False, False), (True, False), (True, True)]
)
def test_bidirectional_matches_keras(return_sequence, return_state, merge_mode, mask) -> None:
    options = {"return_sequences": return_sequence, "return_state": return_state}
    ours = keras.layers.Bidirectional(
        CustomLSTM(UNITS, return_sequence, return_state=return_state), merge_mode=merge_mode
    )
    twin = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, **options), merge_mode=merge_mode)
    ours.build((None, None, INPUT))
    twin.build((None, None, INPUT))
    halves = ours.forward_layer, ours.backward_layer
    halves[0].set_weights(built().get_weights())
    halves[1].set_weights([-weight for weight in built().get_weights()])
    twin.set_weights([kind for half in halves for kind in stacked(half, half.get_weights())])

    def called(layer):
        return lambda x: layer(x, mask=None if mask is None else tf.constant(mask))

    results, (by_x, *by_weights) = results_and_gradients(called(ours), inputs()[:1], *halves)
    expected, of_keras = results_and_gradients(called(twin), inputs()[:1], twin)
    forward, backward = by_weights[:12], by_weights[12:]
    assert_close(results, expected, 1e-5)
    gradients = [by_x, *stacked(halves[0], forward), *stacked(halves[1], backward)]
    assert_close(gradients, of_keras, 1e-5)


def test_stacked_layers_match_keras() -> None:
    keras.utils.set_random_seed(1)
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    below, above = built(units=INPUT, return_sequence=True), built()
    ids = tf.constant([[3, 4, 0, 0], [5, 0, 6, 7], [0, 0, 0, 0]])
    ours, gradients = results_and_gradients(lambda: above(below(embedding(ids))), [], below, above)
    twins = [copied_to_keras(below), copied_to_keras(above)]
    expected, of_keras = results_and_gradients(
        lambda: twins[1](twins[0](embedding(ids))), [], *twins
    )
    assert_close(ours, expected, 1e-5)
    by_weights = [*stacked(below, gradients[:12]), *stacked(above, gradients[12:])]
    assert_close(by_weights, of_keras, 1e-5)


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request):
    """The global policy of a user who trains in half precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_half_precision_error_is_at_most_twice_that_of_keras(policy) -> None:
    units, shape = 16, (128, 200)  # long enough for sums in half precision to go wrong
    x = np.random.default_rng(4).standard_normal((*shape, INPUT))
    mask = np.random.default_rng(5).random(shape) < 0.7
    layer, exact = (built(units, return_sequence=True, dtype=d) for d in (policy, "float64"))
    for one in (layer, exact):  # weights small enough that errors fade
        one.set_weights([0.4 * weight for weight in built(units).get_weights()])
    twin = copied_to_keras(layer)

    def run(of, dtype):
        arguments = [tf.constant(x, dtype)]
        (result,), (by_x, *gradients) = results_and_gradients(
            lambda x: of(x, mask=tf.constant(mask)), arguments, of
        )
        if of is not twin:
            gradients = stacked(of, gradients)
        return result, [np.asarray(g, np.float64) for g in (result, by_x, *gradients)], gradients

    def error(given, expected):
        return np.sqrt(np.mean((given - expected) ** 2) / np.mean(expected**2))

    result, ours, by_weights = run(layer, "float32")
    _, of_keras, _ = run(twin, "float32")
    _, expected, _ = run(exact, "float64")
    assert result.dtype == policy.removeprefix("mixed_")
    assert {gradient.dtype.name for gradient in by_weights} == {"float32"}
    near = 0.005 if policy == "mixed_float16" else 0.04  # about five units in the last place
    for one, twins, right in zip(ours, of_keras, expected, strict=True):
        assert error(one, right) < near
        assert error(one, right) < 2 * error(twins, right)


def test_training_in_half_precision_lowers_the_loss(policy) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [CustomLSTM(8, dropout=0.1), keras.layers.Dense(2, activation="softmax", dtype="float32")]
    )
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    labels = (X[:, 0, 0] > 0).astype(int)
    losses = model.fit(X, labels, epochs=15, verbose=0).history["loss"]
    assert model.layers[0].compute_dtype == policy.removeprefix("mixed_")
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    assert losses[-1] < 0.5 * losses[0]
