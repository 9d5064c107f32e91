"""`recurrence`: all steps of the LSTM in one loop, and its gradient in another, derived by hand.

TensorFlow can differentiate a loop by itself, and then multiplies a matrix for the gradient of `u`
at every step. Here the loop backwards does one product a step, what waits for no step is computed
for all of them at once, and the gradient of `u` is a single product at the end: a gradient step
takes some 0.6 of the time (`benchmarks/lstm.py`). `CustomLSTM.step` has the formulas as in the
textbook; the tests hold the two equal, outputs and gradients.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def recurrence(
    xz: Tensor,
    u: Tensor,
    h: Tensor,
    c: Tensor,
    keep: Tensor = None,
    h_mask: Tensor = None,
    every_step: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The outputs after every step, and h and c after the last one.

    The gates stand side by side, in the order f, i, g, o.

    Args:
        xz: `x(t) w + b` of every step, `(time, batch, 4*units)`.
        u: recurrent weights `(units, 4*units)`.
        h: output before the first step, `(batch, units)`.
        c: cell before the first step, `(batch, units)`.
        keep: `(time, batch, 1)`, boolean: a step that is false changes neither h nor c.
        h_mask: `(batch, units)`, what h is multiplied with before it meets `u`: the dropout.
        every_step: whether the outputs are wanted; else `(0, batch, units)` stands for them.

    Returns:
        Outputs `(time, batch, units)`, h and c `(batch, units)`, differentiable by the first four
        arguments; so is the gradient.
    """
    time, batch, units = tf.shape(xz)[0], tf.shape(xz)[1], u.shape[0]
    dtype = xz.dtype
    if xz.shape[0] == 0:  # XLA compiles no loop over nothing
        nothing = tf.matmul(tf.reduce_sum(xz, axis=0), u, transpose_b=True)  # (batch, units), zeros
        return xz[:, :, :units], h + nothing, c + nothing

    def per_step(tensor: Tensor) -> Any:
        # TensorArrays, because the gradient of `xz[t]` is as large as xz itself at every step.
        return tf.TensorArray(tensor.dtype, size=time).unstack(tensor)

    def collected(width: int) -> Any:
        return tf.TensorArray(dtype, size=time, element_shape=(xz.shape[1], width))

    def stacked(array: Any, width: int) -> Tensor:
        if xz.shape[1] is not None:
            return array.stack()
        # An empty list of elements of unknown size TensorFlow can concatenate, but not stack.
        return tf.reshape(array.concat(), (time, batch, width))

    # sigmoid(z) = 1/2 + 1/2 tanh(z/2): with the right scale one tanh serves all four gates.
    scale = tf.constant([0.5] * 2 * units + [1.0] * units + [0.5] * units, dtype)
    shift = tf.constant([0.5] * 2 * units + [0.0] * units + [0.5] * units, dtype)
    keep_at = None if keep is None else per_step(keep)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(xz: Tensor, u: Tensor, h: Tensor, c: Tensor) -> Any:
        first_h, first_c = h, c
        scaled_xz_at, scaled_u = per_step(xz * scale), u * scale

        def forwards(t: Tensor, h: Tensor, c: Tensor, *kept: Any) -> tuple[Any, ...]:
            seen = h if h_mask is None else h * h_mask  # (batch, units)
            z = scaled_xz_at.read(t) + tf.matmul(seen, scaled_u)  # (batch, 4*units)
            gates = tf.tanh(z) * scale + shift
            f, i, g, o = tf.split(gates, 4, axis=1)  # (batch, units) each
            next_c = f * c + i * g
            next_h = o * tf.tanh(next_c)
            if keep_at is not None:
                keep_now = keep_at.read(t)  # (batch, 1)
                next_c = tf.where(keep_now, next_c, c)
                next_h = tf.where(keep_now, next_h, h)
            values = (gates, next_h, next_c)
            written = (array.write(t, value) for array, value in zip(kept, values, strict=True))
            return t + 1, next_h, next_c, *written

        arrays = (collected(4 * units), collected(units), collected(units))
        _, h, c, *arrays = tf.while_loop(
            lambda t, *_: t < time, forwards, (0, h, c, *arrays), maximum_iterations=time
        )
        gates, hs, cs = map(stacked, arrays, (4 * units, units, units))

        def gradient(d_outputs: Tensor, dh: Tensor, dc: Tensor) -> tuple[Tensor, ...]:
            f, i, g, o = tf.split(gates, 4, axis=2)  # (time, batch, units) each
            earlier_h = tf.concat([first_h[None], hs], axis=0)[:-1]
            earlier_c = tf.concat([first_c[None], cs], axis=0)[:-1]
            shown = tf.tanh(cs)

            # What a gradient is multiplied with on its way: from c(t), or for o from h(t), to z(t),
            # from h(t) to c(t), from c(t) to c(t-1).
            to_z = tf.concat(
                [
                    earlier_c * f * (1 - f),
                    g * i * (1 - i),
                    i * (1 - g * g),
                    shown * o * (1 - o),
                ],
                axis=2,
            )  # (time, batch, 4*units)
            h_to_c = o * (1 - shown * shown)
            if keep is not None:
                zero = tf.zeros((), dtype)
                to_z, h_to_c = tf.where(keep, to_z, zero), tf.where(keep, h_to_c, zero)
                f = tf.where(keep, f, 1 + zero)
            factors_at = per_step(tf.concat([to_z, h_to_c, f], axis=2))
            skipped_at = None if keep is None else per_step(1 - tf.cast(keep, dtype))
            d_outputs_at = per_step(d_outputs) if every_step else None
            u_transposed = tf.transpose(u)

            def backwards(t: Tensor, dh: Tensor, dc: Tensor, dzs: Any) -> tuple[Any, ...]:
                if d_outputs_at is not None:
                    dh += d_outputs_at.read(t)
                to_z, h_to_c, f = tf.split(factors_at.read(t), [4 * units, units, units], axis=1)
                dc += dh * h_to_c
                dz = tf.concat([dc, dc, dc, dh], axis=1) * to_z  # (batch, 4*units)
                earlier_dh = tf.matmul(dz, u_transposed)
                if h_mask is not None:
                    earlier_dh *= h_mask
                if skipped_at is not None:
                    earlier_dh += dh * skipped_at.read(t)
                return t - 1, earlier_dh, dc * f, dzs.write(t, dz)

            _, dh, dc, dzs = tf.while_loop(
                lambda t, *_: t >= 0,
                backwards,
                (time - 1, dh, dc, collected(4 * units)),
                maximum_iterations=time,
            )
            dz = stacked(dzs, 4 * units)  # (time, batch, 4*units)
            seen = earlier_h if h_mask is None else earlier_h * h_mask
            du = tf.matmul(
                tf.reshape(seen, (-1, units)), tf.reshape(dz, (-1, 4 * units)), transpose_a=True
            )
            return dz, du, dh, dc

        return (hs if every_step else hs[:0], h, c), gradient

    outputs: tuple[Tensor, Tensor, Tensor] = run(xz, u, h, c)
    return outputs
