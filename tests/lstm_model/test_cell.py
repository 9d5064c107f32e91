"""`LSTMCell` on the worked example of the README."""

from __future__ import annotations

import pytest
import tensorflow as tf

from lstm_model import CustomLSTM
from lstm_model.cell import LSTMCell

WEIGHTS = {
    **{"wf": 0.5, "wi": 1, "wo": 1, "wc": 2},
    **{"uf": 1, "ui": 0.5, "uo": 1, "uc": 1},
    **{"bf": 1, "bi": 0, "bo": 0, "bc": 0},
}


def test_two_steps_of_the_worked_example() -> None:
    cell = LSTMCell(
        **{name: tf.fill([1] if name[0] == "b" else [1, 1], float(value))
           for name, value in WEIGHTS.items()}
    )  # fmt: skip
    zero = tf.zeros((1, 1))
    h, c = cell.step(tf.ones((1, 1)), zero, zero)
    assert (h.numpy().item(), c.numpy().item()) == pytest.approx((0.4440, 0.7048), abs=5e-5)
    h, c = cell.step(zero, h, c)
    assert (h.numpy().item(), c.numpy().item()) == pytest.approx((0.4051, 0.8017), abs=5e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_of_the_worked_example(fused) -> None:
    layer = CustomLSTM(1, fused=fused)
    layer.build((None, None, 1))
    for weight in layer.weights:
        weight.assign(tf.fill(weight.shape, float(WEIGHTS[weight.name])))
    weights = [layer.uf.value, layer.wi.value]
    with tf.GradientTape() as tape:
        h = layer(tf.constant([[[1.0], [0.0]]]))
    assert h.numpy().item() == pytest.approx(0.4051, abs=5e-5)
    gradients = [gradient.numpy().item() for gradient in tape.gradient(h, weights)]
    assert gradients == pytest.approx([0.0164, 0.0843], abs=5e-5)


def test_cell_of_a_layer_has_its_weights() -> None:
    layer = CustomLSTM(3)
    layer.build((None, None, 2))
    assert {name: getattr(layer.cell, name) is getattr(layer, name) for name in WEIGHTS} == (
        dict.fromkeys(WEIGHTS, True)
    )
