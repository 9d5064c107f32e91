"""`CustomLSTM` as a Keras layer: weights, shapes, configuration, saving, errors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

from .layers import EVERY_OPTION, INPUT, MASK, UNITS, X, assert_close, built, inputs


def test_names_shapes_and_initial_values_of_weights() -> None:
    layer = CustomLSTM(32)
    layer.build((None, 44, 128))
    shapes = {weight.name: tuple(weight.shape) for weight in layer.weights}
    assert shapes == {
        **{f"w{gate}": (128, 32) for gate in "fioc"},
        **{f"u{gate}": (32, 32) for gate in "fioc"},
        **{f"b{gate}": (32,) for gate in "fioc"},
    }
    assert np.all(layer.bf.numpy() == 1)
    assert not np.any([layer.bi.numpy(), layer.bo.numpy(), layer.bc.numpy()])
    for weight in (layer.wf, layer.wi, layer.wo, layer.wc):
        assert 0.9 < np.abs(weight.numpy()).max() / np.sqrt(6 / (128 + 32)) <= 1
    for weight in (layer.uf, layer.ui, layer.uo, layer.uc):
        np.testing.assert_allclose(weight.numpy().T @ weight.numpy(), np.eye(32), atol=1e-5)


def test_symbolic_output_shapes() -> None:
    symbolic = keras.Input((None, INPUT))
    assert CustomLSTM(UNITS)(symbolic).shape == (None, UNITS)
    assert CustomLSTM(UNITS, return_sequence=True)(symbolic).shape == (None, None, UNITS)
    shapes = [y.shape for y in CustomLSTM(UNITS, return_state=True)(symbolic)]
    assert shapes == [(None, UNITS)] * 3


def test_config_recreates_the_layer() -> None:
    layer = CustomLSTM(UNITS, name="reader", **EVERY_OPTION)
    again = CustomLSTM.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert {name: getattr(again, name) for name in EVERY_OPTION} == EVERY_OPTION
    assert CustomLSTM.from_config(CustomLSTM(UNITS, fused=False).get_config()).fused is False
    assert (again.name, again.units, again.return_sequences) == ("reader", UNITS, True)
    again.build((None, None, INPUT))
    again.set_weights(built(**EVERY_OPTION).get_weights())
    assert_close(again(X, training=True), built(**EVERY_OPTION)(X, training=True), 0)


def functional(layer) -> keras.Model:
    """A model of masked steps and a state."""
    arguments = [keras.Input((None, INPUT)), keras.Input((UNITS,)), keras.Input((UNITS,))]
    steps = keras.layers.Masking()(arguments[0])
    return keras.Model(arguments, layer(steps, initial_state=arguments[1:]))


def test_a_model_with_every_option_is_saved_and_loaded(tmp_path) -> None:
    model = functional(CustomLSTM(UNITS, **EVERY_OPTION))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[-1].get_config() == model.layers[-1].get_config()
    given = [tf.where(MASK[:, :, None], X, 0.0), *inputs()[1:]]
    for training in (False, True):
        assert_close(again(given, training=training), model(given, training=training), 0)


def test_weights_are_saved_and_loaded(tmp_path) -> None:
    model, other = (functional(CustomLSTM(UNITS, True)) for _ in range(2))
    assert np.any(model(inputs()) != other(inputs()))
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(inputs()), model(inputs()))


def test_a_bidirectional_model_is_saved_and_loaded(tmp_path) -> None:
    model = keras.Sequential(
        [
            keras.layers.Embedding(9, INPUT, mask_zero=True),
            keras.layers.Bidirectional(CustomLSTM(UNITS, return_sequence=True)),
            keras.layers.Bidirectional(CustomLSTM(UNITS), merge_mode="sum"),
        ]
    )
    ids = np.array([[3, 4, 0, 0], [5, 0, 6, 7]])
    expected = model(ids)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(ids), expected)


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", True, None])
def test_bad_output_size_is_rejected(size) -> None:
    with pytest.raises(ValueError, match=f"positive integer, but is {size!r}"):
        CustomLSTM(size)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 5), {}, r"expected ndim=3, found ndim=2.*\(4, 5\)"),
        ((2, 5, 6), {}, r"value 4, but received input with shape \(2, 5, 6\)"),
        ((2, 5, 4), {"initial_state": [np.zeros((2, 8))] * 2}, r"\(batch, 3\).*\(2, 8\)"),
        ((2, 5, 4), {"initial_state": [np.zeros((1, 3))] * 2}, r"\(batch, 3\).*\(1, 3\).*\(2, 5"),
        ((2, 5, 4), {"initial_state": [np.zeros((2, 3))]}, r"must be h and c.*\[\(2, 3\)\]"),
        ((2, 5, 4), {"mask": np.ones((2, 6))}, r"mask.*\(batch, time\).*\(2, 6\).*\(2, 5, 4\)"),
        ((2, 5, 4), {"mask": np.ones((1, 5))}, r"mask.*\(batch, time\).*\(1, 5\)"),
        ((2, 5, 4), {"mask": np.ones((2, 5, 1))}, r"mask.*\(batch, time\).*\(2, 5, 1\)"),
    ],
)
def test_bad_shape_is_rejected_and_named(shape, options, message) -> None:
    layer = built()
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, np.float32), **options)
    with pytest.raises(ValueError, match=message):  # a graph would not notice every one by itself
        tf.function(lambda x: layer(x, **options))(tf.zeros(shape))


def test_unknown_input_size_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"last axis.*\(None, 5, None\)"):
        CustomLSTM(UNITS)(keras.Input((5, None)))
