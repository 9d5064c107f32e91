"""`CustomLSTM` compiled: graphs, XLA, datasets, export, and inputs without rows or steps."""

from __future__ import annotations

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
    C,
    H,
    X,
    assert_close,
    built,
    inputs,
    results_and_gradients,
)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("shape", [(BATCH, TIME), (None, None)], ids=["static", "dynamic"])
def test_compiled_call_gives_the_same_results(shape, jit_compile) -> None:
    layer = built(return_sequence=True, go_backwards=True, return_state=True, dtype="float64")

    def call(x, h, c, mask):
        return results_and_gradients(
            lambda x, h, c: layer(x, initial_state=[h, c], mask=mask), [x, h, c], layer
        )

    signature = [
        tf.TensorSpec((*shape, INPUT), "float64"),
        *[tf.TensorSpec((shape[0], UNITS), "float64")] * 2,
        tf.TensorSpec(shape, "bool"),
    ]
    compiled = tf.function(call, input_signature=signature, jit_compile=jit_compile)
    sizes = [(BATCH, TIME)] if shape[0] else [(BATCH, TIME), (1, 1), (2, 4)]
    for batch, time in sizes:
        x, h, c = inputs("float64")
        given = (x[:batch, :time], h[:batch], c[:batch], tf.constant(MASK[:batch, :time]))
        for ours, expected in zip(compiled(*given), call(*given), strict=True):
            assert_close(ours, expected, 1e-10)
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.integration
def test_training_with_xla_gives_the_same_losses() -> None:
    ids = np.random.default_rng(6).integers(0, 9, (8, 5))  # 0 is masked, in the middle too
    labels = ids[:, 0] % 2

    def losses(jit_compile):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.layers.Embedding(9, INPUT, mask_zero=True),
                CustomLSTM(UNITS),
                keras.layers.Dense(2, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit_compile)
        return model.fit(ids, labels, batch_size=4, epochs=3, verbose=0).history["loss"]

    np.testing.assert_allclose(losses(True), losses(False), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(2, 0), (0, TIME), (0, 0)])
@pytest.mark.parametrize("how", ["eager", "dynamic graph", "xla"])
def test_inputs_without_steps_or_rows(how, shape, masked) -> None:
    layer = built(return_sequence=True, return_state=True)
    batch, time = shape
    state = [tf.constant(value[:batch]) for value in (H, C)]

    def call(x, h, c):
        mask = tf.ones(tf.shape(x)[:2], "bool") if masked else None
        return results_and_gradients(
            lambda x, h, c: layer(x, initial_state=[h, c], mask=mask), [x, h, c], layer
        )

    if how == "dynamic graph":
        shapes = (None, None, INPUT), (None, UNITS), (None, UNITS)
        call = tf.function(call, input_signature=[tf.TensorSpec(shape) for shape in shapes])
    elif how == "xla":
        call = tf.function(call, jit_compile=True)
    (outputs, h, c), gradients = call(tf.zeros((batch, time, INPUT)), *state)
    assert outputs.shape == (batch, time, UNITS)
    np.testing.assert_array_equal(h, state[0])
    np.testing.assert_array_equal(c, state[1])
    by_x, _, _, *by_weights = gradients
    assert by_x.shape == (batch, time, INPUT)
    assert [g.shape for g in by_weights] == [w.shape for w in layer.weights]
    assert not any(np.any(gradient) for gradient in by_weights)


def test_runs_in_graph_dataset_and_export(tmp_path) -> None:
    layer = built()
    expected = layer(X)
    np.testing.assert_array_equal(layer(X), expected)
    np.testing.assert_allclose(tf.function(layer)(X), expected, atol=1e-6)
    dataset = tf.data.Dataset.from_tensor_slices(X).batch(2).map(layer)
    np.testing.assert_allclose(np.concatenate(list(dataset)), expected, atol=1e-6)
    model = keras.Sequential([keras.Input((None, INPUT)), layer])
    model.export(tmp_path / "exported", verbose=False)
    again = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(again.serve(X), expected, atol=1e-6)
    np.testing.assert_allclose(again.serve(X[:2, :3]), layer(X[:2, :3]), atol=1e-6)
