"""`recurrence`: all steps of the LSTM in one loop, and its gradient in another, derived by hand.

TensorFlow can differentiate a loop by itself, but then multiplies a matrix for the gradient of `u`
at every step. Here the backward loop has one product a step, what depends on no step is computed
for all of them at once, and the gradient of `u` is a single product at the end: a gradient step
takes some 0.6 of the time (`benchmarks/lstm.py`). `LSTMCell.step` has the formulas one by one; the
tests hold the two equal, outputs and gradients.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any

# The gates stacked in the last axis, by the letters of their weights (`c` is the candidate, g). Not
# in the order of `GATES`: backwards, products sum over the gates in this order, and another one
# would change the last bits of every trained weight.
STACKED_GATES = ("f", "i", "c", "o")


def recurrence(
    xz: Tensor,
    u: Tensor,
    h: Tensor,
    c: Tensor,
    mask: Tensor = None,
    h_mask: Tensor = None,
    every_step: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The outputs after every step, and h and c after the last one.

    Args:
        xz: `x(t) w + b` of every step, `(time, batch, 4*units)`, gates as in `STACKED_GATES`.
        u: recurrent weights `(units, 4*units)`, likewise.
        h: output before the first step, `(batch, units)`.
        c: cell state before the first step, `(batch, units)`.
        mask: `(time, batch, 1)`, boolean: a step that is false changes neither h nor c.
        h_mask: `(batch, units)`, the dropout: h is multiplied with it before `u`.
        every_step: give the outputs; else they have the shape `(0, batch, units)`.

    Returns:
        Outputs `(time, batch, units)`, h and c `(batch, units)`, differentiable twice by the first
        four arguments.
    """
    time, batch, units = tf.shape(xz)[0], tf.shape(xz)[1], u.shape[0]
    dtype = xz.dtype
    if xz.shape[0] == 0:  # XLA compiles no loop over nothing
        zeros = tf.matmul(tf.reduce_sum(xz, axis=0), u, transpose_b=True)  # (batch, units)
        return xz[:, :, :units], h + zeros, c + zeros

    def per_step(tensor: Tensor) -> Any:
        # TensorArrays, because the gradient of `xz[t]` is as large as xz itself at every step.
        return tf.TensorArray(tensor.dtype, size=time).unstack(tensor)

    def collector(width: int) -> Any:
        return tf.TensorArray(dtype, size=time, element_shape=(xz.shape[1], width))

    def stacked(array: Any, width: int) -> Tensor:
        if xz.shape[1] is not None:
            return array.stack()
        # TensorFlow can concatenate an empty list of elements of unknown size, but not stack it.
        return tf.reshape(array.concat(), (time, batch, width))

    # sigmoid(z) = 1/2 + 1/2 tanh(z/2): with the right scale one tanh serves all four gates.
    by_column = [gate for gate in STACKED_GATES for _ in range(units)]
    scale = tf.constant([1.0 if gate == "c" else 0.5 for gate in by_column], dtype)
    shift = tf.constant([0.0 if gate == "c" else 0.5 for gate in by_column], dtype)
    mask_at = None if mask is None else per_step(mask)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(xz: Tensor, u: Tensor, h: Tensor, c: Tensor) -> Any:
        first_h, first_c = h, c
        scaled_xz_at, scaled_u = per_step(xz * scale), u * scale

        def forwards(t: Tensor, h: Tensor, c: Tensor, *arrays: Any) -> tuple[Any, ...]:
            dropped_h = h if h_mask is None else h * h_mask  # (batch, units)
            z = scaled_xz_at.read(t) + tf.matmul(dropped_h, scaled_u)  # (batch, 4*units)
            gates = tf.tanh(z) * scale + shift
            f, i, g, o = tf.split(gates, 4, axis=1)  # (batch, units) each
            next_c = f * c + i * g
            next_h = o * tf.tanh(next_c)
            if mask_at is not None:
                mask_now = mask_at.read(t)  # (batch, 1)
                next_c = tf.where(mask_now, next_c, c)
                next_h = tf.where(mask_now, next_h, h)
            values = (gates, next_h, next_c)
            written = (array.write(t, value) for array, value in zip(arrays, values, strict=True))
            return t + 1, next_h, next_c, *written

        arrays = (collector(4 * units), collector(units), collector(units))
        _, h, c, *arrays = tf.while_loop(
            lambda t, *_: t < time, forwards, (0, h, c, *arrays), maximum_iterations=time
        )
        gates, hs, cs = map(stacked, arrays, (4 * units, units, units))

        def gradient(d_outputs: Tensor, dh: Tensor, dc: Tensor) -> tuple[Tensor, ...]:
            f, i, g, o = tf.split(gates, 4, axis=2)  # (time, batch, units) each
            previous_h = tf.concat([first_h[None], hs], axis=0)[:-1]
            previous_c = tf.concat([first_c[None], cs], axis=0)[:-1]
            tanh_c = tf.tanh(cs)

            # The factors of the gradient: from c(t), or for o from h(t), to z(t), and from h(t) to
            # c(t); that from c(t) to c(t-1) is f.
            to_z = tf.concat(
                [
                    previous_c * f * (1 - f),
                    g * i * (1 - i),
                    i * (1 - g * g),
                    tanh_c * o * (1 - o),
                ],
                axis=2,
            )  # (time, batch, 4*units)
            h_to_c = o * (1 - tanh_c * tanh_c)
            if mask is not None:
                zero = tf.zeros((), dtype)
                to_z, h_to_c = tf.where(mask, to_z, zero), tf.where(mask, h_to_c, zero)
                f = tf.where(mask, f, 1 + zero)
            factors_at = per_step(tf.concat([to_z, h_to_c, f], axis=2))
            skipped_at = None if mask is None else per_step(1 - tf.cast(mask, dtype))
            d_outputs_at = per_step(d_outputs) if every_step else None
            u_transposed = tf.transpose(u)

            def backwards(t: Tensor, dh: Tensor, dc: Tensor, dzs: Any) -> tuple[Any, ...]:
                if d_outputs_at is not None:
                    dh += d_outputs_at.read(t)
                to_z, h_to_c, f = tf.split(factors_at.read(t), [4 * units, units, units], axis=1)
                dc += dh * h_to_c
                dz = tf.concat([dc, dc, dc, dh], axis=1) * to_z  # (batch, 4*units)
                previous_dh = tf.matmul(dz, u_transposed)
                if h_mask is not None:
                    previous_dh *= h_mask
                if skipped_at is not None:
                    previous_dh += dh * skipped_at.read(t)
                return t - 1, previous_dh, dc * f, dzs.write(t, dz)

            _, dh, dc, dzs = tf.while_loop(
                lambda t, *_: t >= 0,
                backwards,
                (time - 1, dh, dc, collector(4 * units)),
                maximum_iterations=time,
            )
            dz = stacked(dzs, 4 * units)  # (time, batch, 4*units)
            dropped_h = previous_h if h_mask is None else previous_h * h_mask
            du = tf.matmul(
                tf.reshape(dropped_h, (-1, units)),
                tf.reshape(dz, (-1, 4 * units)),
                transpose_a=True,
            )
            return dz, du, dh, dc

        return (hs if every_step else hs[:0], h, c), gradient

    outputs: tuple[Tensor, Tensor, Tensor] = run(xz, u, h, c)
    return outputs
