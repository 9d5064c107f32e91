"""`CustomLSTM`: a long short-term memory layer, written from the formulas of `LSTMCell`.

All steps run in the fused loop of `recurrence`, whose gradient is derived by hand, or, with
`fused=False`, one after another by `LSTMCell.step`: the same results, slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lstm_model.architecture import GATES
from lstm_model.cell import LSTMCell, Tensor
from lstm_model.recurrence import STACKED_GATES, recurrence

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="lstm_model")
class CustomLSTM(keras.Layer):
    """Reads a sequence of any length and gives its last output, or the output of every step.

    Input `(batch, time, input)`, float; optionally a mask `(batch, time)`, boolean. A step whose
    mask is false changes neither state nor output.

    Output `(batch, output_size)`, or `(batch, time, output_size)` with `return_sequence`, in the
    order in which the steps are read: with `go_backwards` the last one first, as in Keras; and so
    is the mask of the output, unlike in Keras.

    Weights: `wf wi wo wc` `(input, output_size)`, Glorot uniform; `uf ui uo uc`
    `(output_size, output_size)`, orthogonal; `bf bi bo bc` `(output_size,)`, zero, but ones for
    `bf`: a cell that remembers from the start learns long dependencies faster (Jozefowicz, Zaremba
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
        fused: run all steps in the fused loop, not one after another by `LSTMCell.step`.

    Raises:
        ValueError: `output_size` is not a positive integer; a dropout is not a share below 1; the
            input is not of rank 3, or its last axis is unknown or not the one the layer was built
            for; the mask is not of shape `(batch, time)`; `initial_state` is not two tensors of
            shape `(batch, output_size)`.
    """

    # Read by `keras.layers.Bidirectional`: no state is kept from one call to the next.
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
        fused: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        is_integer = isinstance(output_size, int | np.integer) and not isinstance(output_size, bool)
        if not is_integer or output_size < 1:
            raise ValueError(f"output_size must be a positive integer, but is {output_size!r}")
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            is_number = isinstance(rate, int | float | np.floating) and not isinstance(rate, bool)
            if not is_number or not 0 <= rate < 1:
                raise ValueError(f"{name} must be a number from 0 to below 1, but is {rate!r}")
        self.output_size = int(output_size)
        self.return_sequence = return_sequence
        self.go_backwards = go_backwards
        self.return_state = return_state
        self.dropout = float(dropout)
        self.recurrent_dropout = float(recurrent_dropout)
        self.seed = seed
        self.fused = fused
        if dropout or recurrent_dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        # Set by `keras.layers.Bidirectional`, whose two sequences end at different steps.
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
        rows = {"w": input_size, "u": self.output_size, "b": None}
        initializers = {"w": "glorot_uniform", "u": "orthogonal", "b": "zeros", "bf": "ones"}
        for kind in rows:
            for gate in GATES:
                name = f"{kind}{gate}"
                initializer = initializers.get(name, initializers[kind])
                setattr(self, name, self._weight(name, rows[kind], initializer))
        self.input_spec = keras.InputSpec(ndim=3, axes={-1: input_size})

    def _weight(self, name: str, rows: int | None, initializer: str) -> Tensor:
        shape = (self.output_size,) if rows is None else (rows, self.output_size)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    @property
    def cell(self) -> LSTMCell:
        """One step of this layer, with its weights."""
        return LSTMCell(*(getattr(self, f"{kind}{gate}") for kind in "wub" for gate in GATES))

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
        if mask is not None:
            mask = self._steps_of_mask(mask, x)  # (time, batch, 1)
        h_mask = None
        if training and self.dropout:
            x *= self._dropout_mask(self.dropout, (batch, 1, x.shape[2]))  # the same at every step
        if training and self.recurrent_dropout:
            h_mask = self._dropout_mask(self.recurrent_dropout, (batch, self.output_size))

        run = self._fused_loop if self.fused else self._step_by_step
        outputs, h, c = run(x, h, c, mask, h_mask)  # (time, batch, units)
        output = h  # (batch, units)
        if self.return_sequence:
            if mask is not None and self.zero_output_for_mask:
                outputs = tf.where(mask, outputs, tf.zeros((), outputs.dtype))
            output = tf.transpose(outputs, (1, 0, 2))  # (batch, time, units)
            output.set_shape((sequences.shape[0], sequences.shape[1], self.output_size))
        return (output, h, c) if self.return_state else output

    def _step_by_step(
        self, x: Tensor, h: Tensor, c: Tensor, mask: Tensor, h_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All steps by `LSTMCell.step`, differentiated by TensorFlow.

        Takes x `(batch, time, input)`, the first h and c and the dropout of h `(batch, units)`, and
        the mask `(time, batch, 1)`; gives outputs `(time, batch, units)`, and the last h and c.
        Mask and outputs are in the order in which the steps are read.
        """
        x = tf.transpose(x, (1, 0, 2))  # (time, batch, input)
        cell, time = self.cell, tf.shape(x)[0]
        x_at = tf.TensorArray(x.dtype, size=time).unstack(
            tf.reverse(x, axis=[0]) if self.go_backwards else x
        )

        def step(t: Tensor, h: Tensor, c: Tensor, outputs: Any) -> tuple[Any, ...]:
            next_h, next_c = cell.step(x_at.read(t), h if h_mask is None else h * h_mask, c)
            if mask is not None:
                next_h, next_c = tf.where(mask[t], next_h, h), tf.where(mask[t], next_c, c)
            return t + 1, next_h, next_c, outputs.write(t, next_h)

        outputs = tf.TensorArray(x.dtype, size=time, element_shape=h.shape)
        _, h, c, outputs = tf.while_loop(
            lambda t, *_: t < time, step, (0, h, c, outputs), maximum_iterations=time
        )
        return outputs.stack(), h, c

    def _fused_loop(
        self, x: Tensor, h: Tensor, c: Tensor, mask: Tensor, h_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What `_step_by_step` computes, with two products for the eight of the formulas."""

        def stacked(kind: str) -> Tensor:  # (…, 4*units)
            gates = [getattr(self, f"{kind}{gate}") for gate in STACKED_GATES]
            return keras.ops.concatenate(gates, axis=-1)

        # x(t) w + b needs no earlier step, so it is one product over all of them. b is in it as
        # the weights of an input that is always 1: the gradient of a sum in float16 is a sum in
        # float16, of as many numbers as there are steps and rows, but a product adds in float32.
        x1 = tf.pad(tf.transpose(x, (1, 0, 2)), [[0, 0], [0, 0], [0, 1]], constant_values=1)
        wb = keras.ops.concatenate([stacked("w"), stacked("b")[None]], axis=0)
        xz = tf.tensordot(x1, wb, axes=1)  # (time, batch, 4*units)
        if self.go_backwards:
            xz = tf.reverse(xz, axis=[0])
        return recurrence(xz, stacked("u"), h, c, mask, h_mask, self.return_sequence)

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

    def _steps_of_mask(self, mask: Tensor, x: Tensor) -> Tensor:
        mask = tf.cast(mask, tf.bool)
        if not mask.shape.is_compatible_with(x.shape[:2]):
            raise ValueError(
                f"{self.name}: the mask must be of shape (batch, time), but its shape is "
                f"{tuple(mask.shape)}, the input's {tuple(x.shape)}"
            )
        steps = tf.transpose(mask)[:, :, None]
        return tf.reverse(steps, axis=[0]) if self.go_backwards else steps

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
        """All options, for `from_config`."""
        names = ["output_size", "return_sequence", "go_backwards", "return_state", "dropout"]
        names += ["recurrent_dropout", "seed", "fused"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
