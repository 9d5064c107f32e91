"""`CustomLSTM` against four references: NumPy, its readable `step`, Keras' LSTM, differences."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import CustomLSTM

BATCH, TIME, INPUT, UNITS = 5, 7, 4, 3
rng = np.random.default_rng(0)
X = rng.standard_normal((BATCH, TIME, INPUT)).astype(np.float32)
H, C = rng.standard_normal((2, BATCH, UNITS)).astype(np.float32)
MASK = np.array(  # a row each: everything, nothing, padding left, padding right, gaps
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
    """A layer with weights that are none of the initial ones, the same at every call."""
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
    twin.set_weights(side_by_side(layer, layer.get_weights()))
    return twin


def side_by_side(layer: CustomLSTM, twelve) -> list[np.ndarray]:
    """The weights, or their gradients, as Keras has them: three, with the gates in its order."""
    names = [weight.name for weight in layer.weights]
    named = {name: np.asarray(value) for name, value in zip(names, twelve, strict=True)}
    return [np.concatenate([named[f"{kind}{gate}"] for gate in "ifco"], axis=-1) for kind in "wub"]


def inputs(dtype: str = "float32") -> list[tf.Tensor]:
    """The steps, and h and c from before them."""
    return [tf.constant(value, dtype) for value in (X, H, C)]


def results_and_gradients(function, arguments, *layers) -> tuple[list[Any], list[Any]]:
    """What `function` gives, and the gradients by its arguments and the weights of `layers`.

    They are those of a sum in which every number of every result has a weight of its own.
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
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# --- against NumPy -----------------------------------------------------------------------------


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


@pytest.mark.parametrize("time", [1, 2, 60])
def test_the_fast_loop_the_readable_step_and_the_textbook_agree(time) -> None:
    x = np.random.default_rng(time).standard_normal((2, time, INPUT)).astype(np.float32)
    layer = built(return_sequence=True)
    expected = textbook(layer, x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    np.testing.assert_allclose(built()(x), expected[:, -1], atol=1e-6)
    h = c = tf.zeros((2, UNITS))
    for t in range(time):
        h, c = layer.step(x[:, t], h, c)
        np.testing.assert_allclose(h, expected[:, t], atol=1e-6)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_masked_step_is_as_if_it_were_not_there(go_backwards) -> None:
    layer = built(return_sequence=True, go_backwards=go_backwards)
    direction = -1 if go_backwards else 1
    outputs = layer(X, mask=MASK).numpy()
    for row, mask, given in zip(X, MASK, outputs, strict=True):
        left = textbook(layer, row[mask][None, ::direction])[0]
        read = np.cumsum(mask[::direction])  # how many of the steps were read by then
        np.testing.assert_allclose(given, np.r_[np.zeros((1, UNITS)), left][read], atol=1e-6)


@pytest.mark.parametrize("t", range(TIME))
def test_every_token_is_read(t) -> None:
    layer = built()
    changed = X.copy()
    changed[:, t] += 1
    assert np.abs(layer(changed) - layer(X)).max() > 1e-4


def test_all_twelve_weights_learn() -> None:
    layer = built()
    _, (_, *gradients) = results_and_gradients(layer, inputs()[:1], layer)
    assert len(gradients) == 12
    assert all(np.abs(gradient).max() > 1e-4 for gradient in gradients)


# --- against the readable step -----------------------------------------------------------------


def unrolled(layer: CustomLSTM, x, h, c, mask=None, h_mask=1) -> tuple[Any, Any, Any]:
    """Outputs in the order of reading, h and c, by `layer.step`, one step after the other."""
    outputs = []
    steps = range(x.shape[1])
    for t in reversed(steps) if layer.go_backwards else steps:
        next_h, next_c = layer.step(x[:, t], h * h_mask, c)
        keep = True if mask is None else mask[:, t, None]
        h, c = tf.where(keep, next_h, h), tf.where(keep, next_c, c)
        outputs.append(h)
    return tf.stack(outputs, axis=1), h, c


@pytest.mark.parametrize(
    ("return_sequence", "go_backwards", "mask"),
    list(product([False, True], [False, True], [None, MASK])),
)
def test_the_gradient_by_hand_is_that_of_the_readable_step(
    return_sequence, go_backwards, mask
) -> None:
    layer = built(
        return_sequence=return_sequence,
        go_backwards=go_backwards,
        return_state=True,
        dtype="float64",
    )

    def fast(x, h, c):
        return layer(x, initial_state=[h, c], mask=mask)

    def readable(x, h, c):
        outputs, h, c = unrolled(layer, x, h, c, mask)
        return outputs if return_sequence else h, h, c

    ours, gradients = results_and_gradients(fast, inputs("float64"), layer)
    expected, expected_gradients = results_and_gradients(readable, inputs("float64"), layer)
    assert len(gradients) == 3 + 12
    assert_close(ours, expected, 1e-10)
    assert_close(gradients, expected_gradients, 1e-10)


# --- against Keras -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("return_sequence", "go_backwards", "mask", "state"),
    list(product([False, True], [False, True], [None, MASK], [False, True])),
)
def test_outputs_and_gradients_are_those_of_keras(
    return_sequence, go_backwards, mask, state
) -> None:
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
    assert_close([*gradients, *side_by_side(layer, by_weights)], of_keras, 1e-5)


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize(
    ("return_sequence", "return_state"), [(False, False), (True, False), (True, True)]
)
def test_bidirectional_is_that_of_keras(return_sequence, return_state, merge_mode, mask) -> None:
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
    twin.set_weights([kind for half in halves for kind in side_by_side(half, half.get_weights())])

    def called(layer):
        return lambda x: layer(x, mask=None if mask is None else tf.constant(mask))

    results, (by_x, *by_weights) = results_and_gradients(called(ours), inputs()[:1], *halves)
    expected, of_keras = results_and_gradients(called(twin), inputs()[:1], twin)
    forward, backward = by_weights[:12], by_weights[12:]
    assert_close(results, expected, 1e-5)
    gradients = [by_x, *side_by_side(halves[0], forward), *side_by_side(halves[1], backward)]
    assert_close(gradients, of_keras, 1e-5)


def test_two_layers_on_top_of_each_other_are_those_of_keras() -> None:
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
    by_weights = [*side_by_side(below, gradients[:12]), *side_by_side(above, gradients[12:])]
    assert_close(by_weights, of_keras, 1e-5)


# --- against differences -----------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, EVERY_OPTION], ids=["plain", "every option"])
def test_gradients_agree_with_finite_differences(options) -> None:
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


# --- masks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("go_backwards", [False, True])
def test_padding_changes_no_bit(go_backwards) -> None:
    layer = built(go_backwards=go_backwards)
    padded = np.concatenate([X, np.full((BATCH, 4, INPUT), 9, dtype=np.float32)], axis=1)
    mask = np.arange(TIME + 4) < TIME
    masked = layer(padded, mask=np.broadcast_to(mask, (BATCH, TIME + 4)))
    np.testing.assert_array_equal(masked, layer(X))


@pytest.mark.parametrize("kind", ["int32", "uint8", "float32"])
def test_a_mask_of_zeros_and_ones_is_one_of_booleans(kind) -> None:
    layer = built(return_sequence=True)
    expected = layer(X, mask=MASK)
    np.testing.assert_array_equal(layer(X, mask=MASK.astype(kind)), expected)
    np.testing.assert_array_equal(layer(X, mask=tf.constant(MASK.astype(kind))), expected)


@pytest.mark.parametrize("state", [None, [np.ones((1, UNITS), np.float32)] * 2])
def test_the_mask_of_an_embedding_is_heeded(state) -> None:
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    layer = built()
    padded, bare = (embedding(tf.constant([ids])) for ids in ([3, 4, 0, 0], [3, 4]))
    np.testing.assert_allclose(
        layer(padded, initial_state=state), layer(bare, initial_state=state), atol=1e-7
    )


@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_layer_above_gets_the_mask_of_the_steps_it_reads(go_backwards) -> None:
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    below = built(units=INPUT, return_sequence=True, go_backwards=go_backwards)
    above = built()
    model = keras.Sequential([embedding, below, above])
    padded, bare = tf.constant([[3, 4, 0, 0]]), tf.constant([[3, 4]])
    np.testing.assert_allclose(above(below(embedding(padded))), model(bare), atol=1e-7)
    np.testing.assert_allclose(model(padded), model(bare), atol=1e-7)


# --- dropout -----------------------------------------------------------------------------------


def test_the_same_inputs_are_dropped_at_every_step_and_the_others_grow() -> None:
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = built(dropout=0.25, seed=1, return_sequence=True)(x, training=True)
    kept = tape.gradient(outputs, x).numpy() != 0
    assert (kept == kept[:, :1]).all()
    assert 0 < kept.mean() < 1
    expected = built(return_sequence=True)(X * kept / 0.75)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_gates_see_the_same_part_of_h_at_every_step(go_backwards) -> None:
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
def test_a_dropout_leaves_the_expected_value_as_it_is(name) -> None:
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
def test_only_training_drops(name) -> None:
    layer = built(seed=0, **{name: 0.5})
    for outside in (layer(X), layer(X, training=False)):
        np.testing.assert_array_equal(outside, built()(X))
    assert np.abs(layer(X, training=True) - layer(X)).max() > 1e-2


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_the_seed_decides_what_is_dropped(name) -> None:
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
def test_a_bad_dropout_is_refused(name, rate) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number .* below 1, but is {rate!r}"):
        CustomLSTM(UNITS, **{name: rate})


# --- half precision ----------------------------------------------------------------------------


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request):
    """The global policy of a user who trains in half precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_half_precision_is_at_most_twice_as_far_off_as_that_of_keras(policy) -> None:
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
            gradients = side_by_side(of, gradients)
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


# --- graphs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("shape", [(BATCH, TIME), (None, None)], ids=["static", "dynamic"])
def test_a_compiled_call_gives_the_same_results_and_gradients(shape, jit_compile) -> None:
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


def test_training_under_xla_goes_the_same_way() -> None:
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
def test_no_steps_give_the_state_and_no_rows_give_none(how, shape, masked) -> None:
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


def test_it_runs_twice_in_a_graph_in_a_dataset_and_exported(tmp_path) -> None:
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


# --- as a Keras layer --------------------------------------------------------------------------


def test_weights_by_name_shape_and_start() -> None:
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


def test_shapes_are_known_before_there_is_data() -> None:
    symbolic = keras.Input((None, INPUT))
    assert CustomLSTM(UNITS)(symbolic).shape == (None, UNITS)
    assert CustomLSTM(UNITS, return_sequence=True)(symbolic).shape == (None, None, UNITS)
    shapes = [y.shape for y in CustomLSTM(UNITS, return_state=True)(symbolic)]
    assert shapes == [(None, UNITS)] * 3


def test_config_makes_the_same_layer_again() -> None:
    layer = CustomLSTM(UNITS, name="reader", **EVERY_OPTION)
    again = CustomLSTM.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert {name: getattr(again, name) for name in EVERY_OPTION} == EVERY_OPTION
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
def test_a_bad_output_size_is_refused(size) -> None:
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
def test_a_bad_shape_is_refused_and_named(shape, options, message) -> None:
    layer = built()
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, np.float32), **options)
    with pytest.raises(ValueError, match=message):  # a graph would not notice every one by itself
        tf.function(lambda x: layer(x, **options))(tf.zeros(shape))


def test_an_unknown_input_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"last axis.*\(None, 5, None\)"):
        CustomLSTM(UNITS)(keras.Input((5, None)))


# --- the notebook's cells ----------------------------------------------------------------------


def classifier(*below) -> keras.Sequential:
    """The notebook's model, compiled as there."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([*below, CustomLSTM(32), keras.layers.Dense(2, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def test_the_notebooks_random_batch() -> None:
    batch = np.random.default_rng(0).standard_normal((4, 5, 30)).astype(np.float32)
    labels = np.array([0, 1, 1, 0])
    assert CustomLSTM(32)(batch).shape == (4, 32)
    model = classifier()
    before, _ = model.train_on_batch(batch, labels)
    model.fit(batch, labels, batch_size=4, epochs=30, verbose=0)
    after, accuracy = model.evaluate(batch, labels, verbose=0)
    assert after < before / 2
    assert accuracy == 1


def test_the_notebooks_headlines_as_ids_and_embedded_beforehand(tmp_path: Path) -> None:
    values = np.random.default_rng(0)
    labels = values.integers(0, 2, 24)
    ids = np.zeros((24, 44), int)  # padded to 44, and the second word gives the label away
    for row, label in zip(ids, labels, strict=True):
        row[: values.integers(3, 12)] = values.integers(3, 60)
        row[1] = 1 + label
    embedding = keras.layers.Embedding(60, 128)
    model = classifier(embedding)
    before, _ = model.evaluate(ids, labels, verbose=0)
    model.fit(ids, labels, batch_size=4, epochs=1, verbose=0)
    assert model.evaluate(ids, labels, verbose=0)[0] < before

    embedded = embedding(ids)
    on_vectors = classifier()
    on_vectors.fit(embedded, labels, batch_size=4, epochs=1, verbose=0)
    on_vectors.set_weights(model.get_weights()[1:])
    probabilities = model.predict(ids, verbose=0)
    np.testing.assert_allclose(on_vectors.predict(embedded, verbose=0), probabilities, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)

    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    assert "20,608" in "\n".join(lines)  # 4 * (128*32 + 32*32 + 32)
