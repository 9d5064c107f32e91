from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model.optimizer import LazyAdam

START = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
# Rows that each step's gradient has; row 3 stands in the first one twice, row 5 in none.
STEPS = [[3, 0, 3], [1, 3], [0], [2, 4, 0]]


def gradients() -> list[tf.IndexedSlices]:
    rng = np.random.default_rng(1)
    return [
        tf.IndexedSlices(
            tf.constant(rng.standard_normal((len(rows), 2)), tf.float32), tf.constant(rows), [6, 2]
        )
        for rows in STEPS
    ]


def moved(optimizer: keras.optimizers.Optimizer, gradients: list) -> np.ndarray:
    variable = keras.Variable(START)
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
    return variable.numpy()


def lazy_by_the_book(rate: float) -> np.ndarray:
    """The formulas of Kingma and Ba, row by row in double precision, for the rows there are."""
    weights, m, v = START.astype(np.float64), np.zeros((6, 2)), np.zeros((6, 2))
    for t, gradient in enumerate(gradients(), start=1):
        for row in set(gradient.indices.numpy()):
            g = gradient.values.numpy()[gradient.indices.numpy() == row].sum(axis=0)
            m[row] = 0.9 * m[row] + 0.1 * g
            v[row] = 0.999 * v[row] + 0.001 * g**2
            # Keras adds epsilon to the root of the biased moment ("epsilon hat" in the paper).
            step = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            weights[row] -= step * m[row] / (np.sqrt(v[row]) + 1e-7)
    return weights


def test_rows_of_the_gradient_move_by_the_adam_formulas() -> None:
    after = moved(LazyAdam(0.1), gradients())
    np.testing.assert_allclose(after, lazy_by_the_book(0.1), atol=1e-5)
    np.testing.assert_array_equal(after[5], START[5])


def test_missing_rows_do_not_move_as_in_adam() -> None:
    lazy, eager = moved(LazyAdam(0.1), gradients()), moved(keras.optimizers.Adam(0.1), gradients())
    assert np.abs(lazy - eager)[3].max() > 0.01  # Adam moves on by momentum
    # Not a step with a row twice: there Keras' Adam squares the parts and not their sum.
    once = gradients()[1:2]
    np.testing.assert_allclose(
        moved(LazyAdam(0.1), once), moved(keras.optimizers.Adam(0.1), once), atol=1e-6
    )


def test_dense_gradient_gives_adam() -> None:
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients()]
    np.testing.assert_array_equal(
        moved(LazyAdam(0.1), dense), moved(keras.optimizers.Adam(0.1), dense)
    )


def test_compiled_model_leaves_unused_words_unchanged(tmp_path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Embedding(9, 4), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)]
    )
    model.compile(LazyAdam(0.05), "mse")
    words, target = np.array([[1, 2], [3, 1]] * 8), np.array([[1.0], [-1.0]] * 8)
    model.build((None, 2))
    before = model.layers[0].embeddings.numpy()
    model.fit(words, target, batch_size=4, epochs=20, verbose=0)
    changed = np.any(model.layers[0].embeddings.numpy() != before, axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), [1, 2, 3])
    assert model.evaluate(words, target, verbose=0) < 0.1
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, LazyAdam)
    assert int(again.optimizer.iterations) == 80


@pytest.mark.parametrize("option", [{"amsgrad": True}, {"weight_decay": 0.1}])
def test_amsgrad_and_weight_decay_are_rejected(option) -> None:
    with pytest.raises(ValueError, match="no amsgrad and no weight_decay"):
        LazyAdam(**option).build([keras.Variable(START)])
