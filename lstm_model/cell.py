"""`LSTMCell`: one step of a long short-term memory, formula by formula.

At every step t the cell reads one input x(t) and updates two vectors, the cell state c and the
output h (* is the elementwise product):

    f(t) = sigmoid(x(t) wf + h(t-1) uf + bf)       forget gate: how much of the old state stays
    i(t) = sigmoid(x(t) wi + h(t-1) ui + bi)       input gate: how much of the candidate comes in
    o(t) = sigmoid(x(t) wo + h(t-1) uo + bo)       output gate: how much of the state is shown
    g(t) = tanh(x(t) wc + h(t-1) uc + bc)          candidate
    c(t) = f(t) * c(t-1) + i(t) * g(t)
    h(t) = o(t) * tanh(c(t))

Sources: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; the
forget gate: Gers, Schmidhuber and Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any  # neither TensorFlow nor Keras is typed


@dataclass(frozen=True)
class LSTMCell:
    """The twelve weights, and one step with them.

    Attributes:
        wf, wi, wo, wc: input weights `(input, units)`.
        uf, ui, uo, uc: recurrent weights `(units, units)`.
        bf, bi, bo, bc: biases `(units,)`.
    """

    wf: Tensor
    wi: Tensor
    wo: Tensor
    wc: Tensor
    uf: Tensor
    ui: Tensor
    uo: Tensor
    uc: Tensor
    bf: Tensor
    bi: Tensor
    bo: Tensor
    bc: Tensor

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The next h and c, of x `(batch, input)` and the last h and c `(batch, units)`."""
        f = tf.sigmoid(x @ self.wf + h @ self.uf + self.bf)  # (batch, units), as all below
        i = tf.sigmoid(x @ self.wi + h @ self.ui + self.bi)
        o = tf.sigmoid(x @ self.wo + h @ self.uo + self.bo)
        g = tf.tanh(x @ self.wc + h @ self.uc + self.bc)
        c = f * c + i * g
        h = o * tf.tanh(c)
        return h, c
