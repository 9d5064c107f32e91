"""`CustomLSTM`: a long short-term memory layer, written from its formulas.

At every step t the layer reads one input x(t) and updates two vectors, the cell c and the output h
(* is the elementwise product):

    f(t) = sigmoid(x(t) wf + h(t-1) uf + bf)       forget gate: how much of the old cell stays
    i(t) = sigmoid(x(t) wi + h(t-1) ui + bi)       input gate: how much of the candidate comes in
    o(t) = sigmoid(x(t) wo + h(t-1) uo + bo)       output gate: how much of the cell is shown
    g(t) = tanh(x(t) wc + h(t-1) uc + bc)          candidate
    c(t) = f(t) * c(t-1) + i(t) * g(t)
    h(t) = o(t) * tanh(c(t))

Sources: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; the
forget gate: Gers, Schmidhuber and Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lstm_model.recurrence import recurrence

Tensor = Any  # neither TensorFlow nor Keras has types to offer
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="lstm_model")
class CustomLSTM(keras.Layer):
    """Reads a sequence of any length and gives its last output, or the output of every step.

    Input `(batch, time, input)`, float; optionally a mask `(batch, time)`, boolean. A step whose
    mask is false changes nothing: cell and output stay as they were, and so does what the layer
    gives for that step.

    Output `(batch, output_size)`, or `(batch, time, output_size)` with `return_sequence`, there in
    the order in which the steps were read: with `go_backwards`, the last one first, as Keras does;
    and so is the mask of the output, which Keras leaves as it was.

    Weights: `wf wi wo wc` `(input, output_size)`, Glorot uniform; `uf ui uo uc`
    `(output_size, output_size)`, orthogonal; `bf bi bo bc` `(output_size,)`, zero, but ones for
    `bf`: a cell that remembers from the start learns long dependencies sooner (Jozefowicz, Zaremba
    and Sutskever, ICML 2015).

    Args:
        output_size: length of h and c.
        return_sequence: give the output of every step.
        go_backwards: read the last step first.
        return_state: give `(output, h, c)`, the last two after the last step.
        dropout: share of the input's values zeroed in training, the same ones at every step.
        recurrent_dropout: share of h's values that the gates do not see in training, the same ones
            at every step (Gal and Ghahramani, NeurIPS 2016).
        seed: of the dropout; None: another one each time.

    Raises:
        ValueError: `output_size` is no positive integer; a dropout is not a share below 1; the
            input is not of rank 3, or its last axis is unknown or not the one the layer was built
            for; the mask is not of shape `(batch, time)`; `initial_state` is not two tensors of
            shape `(batch, output_size)`.
    """

    # `keras.layers.Bidirectional` asks: every call starts anew.
    stateful = False
    states = None

    def __init__(
        self,
        output_size: int,
        return_sequence: bool = False,
        go_backwards: bool = False,
        return_state: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        whole = isinstance(output_size, int | np.integer) and not isinstance(output_size, bool)
        if not whole or output_size < 1:
            raise ValueError(f"output_size must be a positive integer, but is {output_size!r}")
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            number = isinstance(rate, int | float | np.floating) and not isinstance(rate, bool)
            if not number or not 0 <= rate < 1:
                raise ValueError(f"{name} must be a number from 0 to below 1, but is {rate!r}")
        self.output_size = int(output_size)
        self.return_sequence = return_sequence
        self.go_backwards = go_backwards
        self.return_state = return_state
        self.dropout = float(dropout)
        self.recurrent_dropout = float(recurrent_dropout)
        self.seed = seed
        if dropout or recurrent_dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        # `keras.layers.Bidirectional` sets this: it joins two sequences that end at other places.
        self.zero_output_for_mask = False
        self.supports_masking = True
        self.input_spec = keras.InputSpec(ndim=3)

    @property
    def units(self) -> int:
        """`output_size`, as Keras names it."""
        return self.output_size

    @property
    def return_sequences(self) -> bool:
        """`return_sequence`, as Keras names it."""
        return self.return_sequence

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        """Make the twelve weights for inputs of shape `(batch, time, input)`."""
        input_size = sequences_shape[-1]
        if input_size is None:
            raise ValueError(
                f"{self.name}: the last axis of the input must be known, but its shape is "
                f"{tuple(sequences_shape)}"
            )
        for gate in "fioc":
            setattr(self, f"w{gate}", self._weight(f"w{gate}", input_size, "glorot_uniform"))
        for gate in "fioc":
            setattr(self, f"u{gate}", self._weight(f"u{gate}", self.output_size, "orthogonal"))
        for gate in "fioc":
            setattr(
                self, f"b{gate}", self._weight(f"b{gate}", None, "ones" if gate == "f" else "zeros")
            )
        self.input_spec = keras.InputSpec(ndim=3, axes={-1: input_size})

    def _weight(self, name: str, rows: int | None, initializer: str) -> Tensor:
        shape = (self.output_size,) if rows is None else (rows, self.output_size)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step, as in the textbook: x `(batch, input)`, h and c `(batch, output_size)`.

        Gives the next h and c. `call` computes the same for a whole sequence, sooner; the tests
        hold the two equal.
        """
        f = tf.sigmoid(x @ self.wf + h @ self.uf + self.bf)  # (batch, output_size), as all below
        i = tf.sigmoid(x @ self.wi + h @ self.ui + self.bi)
        o = tf.sigmoid(x @ self.wo + h @ self.uo + self.bo)
        g = tf.tanh(x @ self.wc + h @ self.uc + self.bc)
        c = f * c + i * g
        h = o * tf.tanh(c)
        return h, c

    def call(
        self,
        sequences: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        mask: Tensor = None,
        training: bool = False,
    ) -> Tensor:
        """All steps of `sequences` `(batch, time, input)`, from zeros or `initial_state` (h, c)."""
        x = tf.convert_to_tensor(sequences, dtype=self.compute_dtype)
        batch = tf.shape(x)[0]
        h, c = self._initial_state(x, initial_state)
        if mask is None:  # Keras passes the one that comes with the input, but not with a state
            mask = getattr(sequences, "_keras_mask", None)
        keep = None if mask is None else self._keep(x, mask)
        h_mask = None
        if training and self.dropout:
            x *= self._dropout_mask(self.dropout, (batch, 1, x.shape[2]))  # the same at every step
        if training and self.recurrent_dropout:
            h_mask = self._dropout_mask(self.recurrent_dropout, (batch, self.output_size))

        # The four gates side by side: two products where the formulas have eight.
        w = keras.ops.concatenate([self.wf, self.wi, self.wc, self.wo], axis=1)  # (input, 4*units)
        u = keras.ops.concatenate([self.uf, self.ui, self.uc, self.uo], axis=1)  # (units, 4*units)
        b = keras.ops.concatenate([self.bf, self.bi, self.bc, self.bo], axis=0)  # (4*units,)

        # x(t) w + b waits for no earlier step, so it is one product over all of them. b is in it as
        # the weights of an input that is always 1: the gradient of a sum in float16 is a sum in
        # float16, of as many numbers as there are steps and rows, but a product adds in float32.
        x1 = tf.pad(tf.transpose(x, (1, 0, 2)), [[0, 0], [0, 0], [0, 1]], constant_values=1)
        wb = keras.ops.concatenate([w, b[None]], axis=0)  # (input + 1, 4*units)
        xz = tf.tensordot(x1, wb, axes=1)  # (time, batch, 4*units)
        if self.go_backwards:
            xz = tf.reverse(xz, axis=[0])
            keep = None if keep is None else tf.reverse(keep, axis=[0])

        every_step = self.return_sequence
        outputs, h, c = recurrence(xz, u, h, c, keep, h_mask, every_step)  # (time, batch, units)
        output = h  # (batch, units)
        if every_step:
            if keep is not None and self.zero_output_for_mask:
                outputs = tf.where(keep, outputs, tf.zeros((), outputs.dtype))
            output = tf.transpose(outputs, (1, 0, 2))  # (batch, time, units)
            output.set_shape((sequences.shape[0], sequences.shape[1], self.output_size))
        return (output, h, c) if self.return_state else output

    def _dropout_mask(self, rate: float, shape: tuple[Any, ...]) -> Tensor:
        ones = tf.ones(shape, dtype=self.compute_dtype)
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def _initial_state(self, x: Tensor, given: Sequence[Tensor] | None) -> list[Tensor]:
        if given is None:
            shape = (tf.shape(x)[0], self.output_size)
            return [tf.zeros(shape, dtype=self.compute_dtype) for _ in "hc"]
        states = [tf.convert_to_tensor(state, dtype=self.compute_dtype) for state in given]
        expected = tf.TensorShape((x.shape[0], self.output_size))
        if len(states) != 2 or not all(expected.is_compatible_with(s.shape) for s in states):
            raise ValueError(
                f"{self.name}: initial_state must be h and c, each of shape "
                f"(batch, {self.output_size}), but the shapes given are "
                f"{[tuple(state.shape) for state in states]}, the input's {tuple(x.shape)}"
            )
        return states

    def _keep(self, x: Tensor, mask: Tensor) -> Tensor:
        mask = tf.cast(mask, tf.bool)
        if not mask.shape.is_compatible_with(x.shape[:2]):
            raise ValueError(
                f"{self.name}: the mask must be of shape (batch, time), but its shape is "
                f"{tuple(mask.shape)}, the input's {tuple(x.shape)}"
            )
        return tf.transpose(mask)[:, :, None]  # (time, batch, 1)

    def compute_mask(self, sequences: Tensor, mask: Tensor = None) -> Tensor:
        """The mask of the output: that of its steps where every step is given, else none."""
        output_mask = mask if self.return_sequence else None
        if output_mask is not None and self.go_backwards:
            output_mask = keras.ops.flip(output_mask, axis=1)
        return [output_mask, None, None] if self.return_state else output_mask

    def compute_output_shape(self, sequences_shape: Shape, initial_state_shape: Any = None) -> Any:
        """Shape of the output (and of h and c, with `return_state`)."""
        batch, time = sequences_shape[0], sequences_shape[1]
        state = (batch, self.output_size)
        output = (batch, time, self.output_size) if self.return_sequence else state
        return (output, state, state) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make this layer again, without its weights."""
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "return_sequence": self.return_sequence,
            "go_backwards": self.go_backwards,
            "return_state": self.return_state,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
