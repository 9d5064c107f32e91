from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

BATCH, TIME, INPUT, UNITS = 5, 7, 4, 3
rng = np.random.default_rng(0)
X = rng.standard_normal((BATCH, TIME, INPUT)).astype(np.float32)
MASK = rng.random((BATCH, TIME)) < 0.6
MASK[0] = True
MASK[1] = False  # nothing to read at all
MASK[2, :3], MASK[2, 3:] = False, True  # padding on the left


def built(**options) -> CustomLSTM:
    """A layer with weights that are none of the initial ones."""
    layer = CustomLSTM(UNITS, **options)
    layer.build((None, None, INPUT))
    values = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(values.standard_normal(weight.shape))
    return layer


def copied_to_keras(layer: CustomLSTM) -> keras.layers.LSTM:
    """Keras' own layer with the same weights."""
    twin = keras.layers.LSTM(
        UNITS,
        return_sequences=layer.return_sequence,
        go_backwards=layer.go_backwards,
        return_state=layer.return_state,
    )
    twin.build((None, None, INPUT))
    twin.set_weights(side_by_side(layer))
    return twin


def side_by_side(layer: CustomLSTM) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias, with the gates in Keras' order."""
    return [
        np.concatenate([getattr(layer, f"{kind}{gate}").numpy() for gate in "ifco"], axis=-1)
        for kind in "wub"
    ]


def output_and_gradients(layer, mask):
    """The output, and the gradients of a sum over it by input and weights."""
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, mask=None if mask is None else tf.constant(mask))
        shape = tuple(y.shape)
        weighed = tf.constant(np.random.default_rng(2).standard_normal(shape), tf.float32)
        loss = tf.reduce_sum(y * weighed)
    by_x, *by_weights = tape.gradient(loss, [x, *[w.value for w in layer.trainable_weights]])
    return y.numpy(), by_x.numpy(), [np.asarray(gradient) for gradient in by_weights]


@pytest.mark.parametrize(
    ("return_sequence", "go_backwards", "mask"),
    list(product([False, True], [False, True], [None, MASK])),
)
def test_outputs_and_gradients_are_those_of_keras(return_sequence, go_backwards, mask) -> None:
    layer = built(return_sequence=return_sequence, go_backwards=go_backwards)
    y, by_x, by_weights = output_and_gradients(layer, mask)
    expected_y, expected_by_x, expected = output_and_gradients(copied_to_keras(layer), mask)
    np.testing.assert_allclose(y, expected_y, atol=1e-6)
    np.testing.assert_allclose(by_x, expected_by_x, atol=1e-5)
    named = dict(zip([w.name for w in layer.trainable_weights], by_weights, strict=True))
    for kind, of_keras in zip("wub", expected, strict=True):
        ours = np.concatenate([named[f"{kind}{gate}"] for gate in "ifco"], axis=-1)
        np.testing.assert_allclose(ours, of_keras, atol=1e-5)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_with_states_it_is_keras_too(go_backwards) -> None:
    layer = built(return_state=True, return_sequence=True, go_backwards=go_backwards)
    state = [tf.constant(rng.standard_normal((BATCH, UNITS)), tf.float32) for _ in "hc"]
    mask = np.ones((BATCH, TIME), dtype=bool)
    mask[:, 4:] = not go_backwards  # Keras shows zeros, not the given state, before the first step
    for given, expected in zip(
        layer(X, initial_state=state, mask=mask),
        copied_to_keras(layer)(X, initial_state=state, mask=mask),
        strict=True,
    ):
        if tuple(given.shape) == (BATCH, TIME, UNITS) and go_backwards:
            given, expected = given[:, 3:], expected[:, 3:]
        np.testing.assert_allclose(given, expected, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_bidirectional_is_that_of_keras(masked) -> None:
    ours = keras.layers.Bidirectional(built(return_sequence=True))
    twin = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))
    ours.build((None, None, INPUT))
    twin.build((None, None, INPUT))
    twin.set_weights([*side_by_side(ours.forward_layer), *side_by_side(ours.backward_layer)])
    mask = tf.constant(MASK) if masked else None
    np.testing.assert_allclose(ours(X, mask=mask), twin(X, mask=mask), atol=1e-6)


def textbook(layer: CustomLSTM, x: np.ndarray) -> np.ndarray:
    """The six formulas in NumPy, in double precision, one row and one step at a time."""
    p = {weight.name: weight.numpy().astype(np.float64) for weight in layer.weights}

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    outputs = np.zeros((len(x), x.shape[1], UNITS))
    for row, steps in enumerate(x.astype(np.float64)):
        h, c = np.zeros(UNITS), np.zeros(UNITS)
        for t, now in enumerate(steps):
            forget = sigmoid(now @ p["wf"] + h @ p["uf"] + p["bf"])
            come_in = sigmoid(now @ p["wi"] + h @ p["ui"] + p["bi"])
            show = sigmoid(now @ p["wo"] + h @ p["uo"] + p["bo"])
            c = forget * c + come_in * np.tanh(now @ p["wc"] + h @ p["uc"] + p["bc"])
            h = show * np.tanh(c)
            outputs[row, t] = h
    return outputs


def test_the_fast_loop_the_readable_step_and_the_textbook_agree() -> None:
    layer = built(return_sequence=True)
    expected = textbook(layer, X)
    np.testing.assert_allclose(layer(X), expected, atol=1e-6)
    h = c = tf.zeros((BATCH, UNITS))
    for t in range(TIME):
        h, c = layer.step(X[:, t], h, c)
        np.testing.assert_allclose(h, expected[:, t], atol=1e-6)


def test_gradients_agree_with_finite_differences() -> None:
    keras.backend.clear_session()
    layer = CustomLSTM(2, dtype="float64")
    layer.build((None, None, 2))
    x = tf.constant(rng.standard_normal((2, 4, 2)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        value = weight.numpy()
        for place in np.ndindex(value.shape):
            sides = []
            for change in (1e-6, -1e-6):
                moved = value.copy()
                moved[place] += change
                weight.assign(moved)
                sides.append(float(tf.reduce_sum(layer(x) ** 2)))
            weight.assign(value)
            difference = (sides[0] - sides[1]) / 2e-6
            assert float(gradient[place]) == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize("t", range(TIME))
def test_every_token_is_read(t) -> None:
    layer = built()
    changed = X.copy()
    changed[:, t] += 1
    assert np.abs(layer(changed) - layer(X)).max() > 1e-4


def test_the_order_of_the_tokens_matters() -> None:
    layer = built()
    assert np.abs(layer(X[:, ::-1].copy()) - layer(X)).max() > 1e-2


def test_all_twelve_weights_learn() -> None:
    _, _, gradients = output_and_gradients(built(), None)
    assert len(gradients) == 12
    assert all(np.abs(gradient).max() > 1e-4 for gradient in gradients)


@pytest.mark.parametrize("time", [1, 2, 60])
def test_any_length(time) -> None:
    layer = built()
    x = np.random.default_rng(time).standard_normal((2, time, INPUT)).astype(np.float32)
    np.testing.assert_allclose(layer(x), textbook(layer, x)[:, -1], atol=1e-6)


def test_one_trace_serves_every_batch_and_length() -> None:
    layer = built(return_sequence=True)
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((None, None, INPUT))])
    for batch, time in ((1, 1), (3, 9), (2, 4)):
        x = np.ones((batch, time, INPUT), dtype=np.float32)
        np.testing.assert_allclose(compiled(x), layer(x), atol=1e-6)
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("go_backwards", [False, True])
def test_padding_changes_nothing(go_backwards) -> None:
    layer = built(go_backwards=go_backwards)
    padded = np.concatenate([X, np.full((BATCH, 4, INPUT), 9, dtype=np.float32)], axis=1)
    mask = np.arange(TIME + 4) < TIME
    masked = layer(padded, mask=np.broadcast_to(mask, (BATCH, TIME + 4)))
    np.testing.assert_array_equal(masked, layer(X))


def test_weights_by_name_shape_and_start() -> None:
    layer = CustomLSTM(32)
    layer.build((None, 44, 128))
    shapes = {weight.name: tuple(weight.shape) for weight in layer.weights}
    assert shapes == {
        **{f"w{gate}": (128, 32) for gate in "fioc"},
        **{f"u{gate}": (32, 32) for gate in "fioc"},
        **{f"b{gate}": (32,) for gate in "fioc"},
    }
    assert layer.count_params() == 20_608
    assert np.all(layer.bf.numpy() == 1)
    assert not np.any(layer.bi.numpy())
    assert np.abs(layer.wf.numpy()).max() <= np.sqrt(6 / (128 + 32))
    for weight in (layer.uf, layer.ui, layer.uo, layer.uc):
        np.testing.assert_allclose(weight.numpy().T @ weight.numpy(), np.eye(32), atol=1e-5)


def test_shapes_are_known_before_there_is_data() -> None:
    symbolic = keras.Input((None, INPUT))
    assert CustomLSTM(UNITS)(symbolic).shape == (None, UNITS)
    assert CustomLSTM(UNITS, return_sequence=True)(symbolic).shape == (None, None, UNITS)
    shapes = [y.shape for y in CustomLSTM(UNITS, return_state=True)(symbolic)]
    assert shapes == [(None, UNITS)] * 3


def test_config_makes_the_same_layer_again() -> None:
    layer = CustomLSTM(
        UNITS, return_sequence=True, go_backwards=True, return_state=True, name="reader"
    )
    again = CustomLSTM.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.units, again.return_sequences, again.go_backwards) == (UNITS, True, True)


def test_the_notebooks_cells_run(tmp_path) -> None:
    keras.utils.set_random_seed(0)
    batch = np.random.default_rng(0).standard_normal((4, 5, 30)).astype(np.float32)
    assert CustomLSTM(32)(batch).shape == (4, 32)
    model = keras.Sequential([CustomLSTM(32), keras.layers.Dense(2, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    labels = np.array([0, 1, 1, 0])
    before = model.train_on_batch(batch, labels)[0]
    model.fit(batch, labels, batch_size=4, epochs=30, verbose=0)
    assert model.evaluate(batch, labels, verbose=0)[0] < before / 2
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(batch, verbose=0), model.predict(batch, verbose=0))


def test_the_mask_of_an_embedding_is_heeded() -> None:
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    layer = built()
    np.testing.assert_allclose(
        layer(embedding(np.array([[3, 4, 0, 0]]))), layer(embedding(np.array([[3, 4]]))), atol=1e-7
    )


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", True, None])
def test_a_bad_output_size_is_refused(size) -> None:
    with pytest.raises(ValueError, match=f"positive integer, but is {size!r}"):
        CustomLSTM(size)


def test_bad_shapes_are_refused_with_the_shape() -> None:
    with pytest.raises(ValueError, match=r"expected ndim=3, found ndim=2.*\(4, 5\)"):
        CustomLSTM(UNITS)(np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"last axis.*\(None, 5, None\)"):
        CustomLSTM(UNITS)(keras.Input((5, None)))
    with pytest.raises(ValueError, match=r"value 4, but received input with shape \(2, 5, 6\)"):
        built()(np.zeros((2, 5, INPUT + 2)))
    with pytest.raises(ValueError, match=r"initial_state.*\(batch, 3\).*\(2, 8\)"):
        built()(X[:2], initial_state=[tf.zeros((2, 8)), tf.zeros((2, 8))])
    with pytest.raises(ValueError, match=r"initial_state must be h and c"):
        built()(X[:2], initial_state=[tf.zeros((2, UNITS))])
