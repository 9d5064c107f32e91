"""Layers with fixed weights and inputs, and comparisons, for the tests of `CustomLSTM`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lstm_model import CustomLSTM

BATCH, TIME, INPUT, UNITS = 5, 7, 4, 3
rng = np.random.default_rng(0)
X = rng.standard_normal((BATCH, TIME, INPUT)).astype(np.float32)
H, C = rng.standard_normal((2, BATCH, UNITS)).astype(np.float32)
MASK = np.array(  # a row each: all steps, none, padding left, padding right, gaps
    [[1] * 7, [0] * 7, [0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1]], bool
)
EVERY_OPTION: dict[str, Any] = {
    "return_sequence": True,
    "go_backwards": True,
    "return_state": True,
    "dropout": 0.25,
    "recurrent_dropout": 0.5,
    "seed": 3,
}


def built(units: int = UNITS, **options) -> CustomLSTM:
    """A layer with fixed random weights, biases too."""
    layer = CustomLSTM(units, **options)
    layer.build((None, None, INPUT))
    values = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(values.standard_normal(weight.shape))
    return layer


def copied_to_keras(layer: CustomLSTM) -> keras.layers.LSTM:
    """Keras' own layer with the same weights."""
    twin = keras.layers.LSTM(
        layer.units,
        return_sequences=layer.return_sequence,
        go_backwards=layer.go_backwards,
        return_state=layer.return_state,
        dtype=layer.dtype_policy,
    )
    twin.build((None, None, INPUT))
    twin.set_weights(stacked(layer, layer.get_weights()))
    return twin


def stacked(layer: CustomLSTM, twelve) -> list[np.ndarray]:
    """The weights, or their gradients, as Keras has them: three, with the gates in its order."""
    names = [weight.name for weight in layer.weights]
    named = {name: np.asarray(value) for name, value in zip(names, twelve, strict=True)}
    return [np.concatenate([named[f"{kind}{gate}"] for gate in "ifco"], axis=-1) for kind in "wub"]


def inputs(dtype: str = "float32") -> list[tf.Tensor]:
    """The steps, and h and c from before them."""
    return [tf.constant(value, dtype) for value in (X, H, C)]


def results_and_gradients(function, arguments, *layers) -> tuple[list[Any], list[Any]]:
    """The results of `function`, and the gradients by its arguments and the weights of `layers`.

    The gradients are of a sum in which every number of every result has a different weight.
    """
    variables = [w.value for layer in layers for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        results = keras.tree.flatten(function(*arguments))
        kind = tf.float64 if results[0].dtype == tf.float64 else tf.float32
        flat = tf.concat([tf.reshape(tf.cast(result, kind), [-1]) for result in results], axis=0)
        loss = tf.reduce_sum(flat * tf.cos(tf.range(1.0, tf.size(flat) + 1, dtype=kind)))
    return results, tape.gradient(loss, [*arguments, *variables])


def assert_close(ours, expected, tolerance: float) -> None:
    """Equal to within `tolerance`, absolute below 1, relative above."""
    for actual, desired in zip(ours, expected, strict=True):
        np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance)


def textbook(layer: CustomLSTM, x: np.ndarray) -> np.ndarray:
    """The six formulas in NumPy, in double precision, one row and one step at a time."""
    p = {weight.name: weight.numpy().astype(np.float64) for weight in layer.weights}

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    outputs = np.zeros((len(x), x.shape[1], UNITS))
    for row, steps in enumerate(x.astype(np.float64)):
        h, c = np.zeros(UNITS), np.zeros(UNITS)
        for t, x_t in enumerate(steps):
            forget_gate = sigmoid(x_t @ p["wf"] + h @ p["uf"] + p["bf"])
            input_gate = sigmoid(x_t @ p["wi"] + h @ p["ui"] + p["bi"])
            output_gate = sigmoid(x_t @ p["wo"] + h @ p["uo"] + p["bo"])
            c = forget_gate * c + input_gate * np.tanh(x_t @ p["wc"] + h @ p["uc"] + p["bc"])
            h = output_gate * np.tanh(c)
            outputs[row, t] = h
    return outputs
