"""`recurrence` and its gradient match the formulas, differentiated by TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lstm_model.recurrence import recurrence

BATCH, TIME, UNITS = 5, 7, 3
MASK = np.array(  # a row each: all steps, none, padding left, padding right, gaps
    [[1] * 7, [0] * 7, [0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1]], bool
).T[:, :, None]
MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}


def formulas(xz, u, h, c, mask=None, h_mask=None, every_step=False):
    """The results of `recurrence`, formula by formula, step by step."""
    outputs = [tf.zeros((0, *h.shape), h.dtype)]
    for t in range(xz.shape[0]):
        seen = h if h_mask is None else h * h_mask
        f, i, g, o = tf.split(xz[t] + seen @ u, 4, axis=1)  # as in STACKED_GATES
        next_c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        next_h = tf.sigmoid(o) * tf.tanh(next_c)
        h = next_h if mask is None else tf.where(mask[t], next_h, h)
        c = next_c if mask is None else tf.where(mask[t], next_c, c)
        outputs.append(h[None])
    return tf.concat(outputs if every_step else outputs[:1], axis=0), h, c


def arguments(batch: int = BATCH, time: int = TIME, units: int = UNITS, seed: int = 0) -> list[Any]:
    """xz, u, h and c, in double precision."""
    values = np.random.default_rng(seed)
    shapes = ((time, batch, 4 * units), (units, 4 * units), (batch, units), (batch, units))
    return [tf.constant(values.standard_normal(shape)) for shape in shapes]


def loss(results) -> Any:
    """A sum in which every number of the outputs, of h and of c has a different weight."""
    flat = tf.concat([tf.reshape(result, [-1]) for result in results], axis=0)
    return tf.reduce_sum(flat * tf.cos(tf.range(1.0, tf.size(flat) + 1, dtype=flat.dtype)))


def results_and_gradients(function, given, **options):
    """Outputs, h, c, and the gradients by the four arguments, all in one list."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        results = function(*given, **options)
        total = loss(results)
    zero = tf.UnconnectedGradients.ZERO  # of no steps, u has no part in the results
    return [*results, *tape.gradient(total, given, unconnected_gradients=zero)]


def second_gradients(function, given, **options):
    """The gradients of a sum over the squared gradients."""
    with tf.GradientTape() as outer:
        outer.watch(given)
        with tf.GradientTape() as inner:
            inner.watch(given)
            total = loss([result**3 for result in function(*given, **options)])
        gradients = inner.gradient(total, given)
        squares = tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients])
    return outer.gradient(squares, given)


def assert_equal(ours, expected, tolerance: float = 1e-10) -> None:
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@st.composite
def cases(draw) -> tuple[list[Any], dict[str, Any]]:
    batch, time, units = draw(st.integers(1, 4)), draw(st.integers(0, 6)), draw(st.integers(1, 4))
    masks = arrays.arrays(bool, (time, batch, 1))
    h_masks = arrays.arrays(float, (batch, units), elements=st.sampled_from([0.0, 1.25]))
    options = {
        "mask": draw(st.none() | masks),
        "h_mask": draw(st.none() | h_masks),
        "every_step": draw(st.booleans()),
    }
    return arguments(batch, time, units, seed=draw(st.integers(0, 99))), options


@given(cases())
@settings(max_examples=60, deadline=None)
def test_results_and_gradients_match_the_formulas(case) -> None:
    given, options = case
    assert_equal(
        results_and_gradients(recurrence, given, **options),
        results_and_gradients(formulas, given, **options),
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every_step", [False, True])
def test_second_gradient_matches_the_formulas(every_step, mode) -> None:
    values = np.random.default_rng(2)
    options = {
        "mask": tf.constant(MASK),
        "h_mask": tf.constant(values.integers(0, 2, (BATCH, UNITS)) * 2.0),
        "every_step": every_step,
    }
    given = arguments()
    ours = MODES[mode](lambda *given: second_gradients(recurrence, list(given), **options))(*given)
    assert_equal(ours, second_gradients(formulas, given, **options), tolerance=1e-9)


@pytest.mark.parametrize("only", [0, 1, 2])
def test_each_result_alone_has_the_right_gradient(only) -> None:
    def one(function):
        return lambda *given: [function(*given, mask=tf.constant(MASK), every_step=True)[only]]

    given = arguments()
    assert_equal(
        results_and_gradients(one(recurrence), given), results_and_gradients(one(formulas), given)
    )


def test_values_at_masked_steps_have_no_effect() -> None:
    xz, *others = arguments()
    spoilt = tf.where(MASK, xz, np.nan)
    options = {"mask": tf.constant(MASK), "every_step": True}
    assert_equal(
        results_and_gradients(recurrence, [spoilt, *others], **options),
        results_and_gradients(recurrence, [xz, *others], **options),
        tolerance=0,
    )
    by_xz = results_and_gradients(recurrence, [xz, *others], **options)[3].numpy()
    assert not by_xz[~MASK[:, :, 0]].any()
    assert by_xz[MASK[:, :, 0]].all()


def test_no_outputs_without_every_step() -> None:
    assert recurrence(*arguments())[0].shape == (0, BATCH, UNITS)
