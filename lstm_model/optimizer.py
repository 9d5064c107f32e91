"""`LazyAdam`: Adam that updates only the rows of an embedding that the batch uses."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Tensor = Any


@keras.saving.register_keras_serializable(package="lstm_model")
class LazyAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, ICLR 2015), but lazy where a gradient has only some rows of a variable.

    Adam updates every row at every step: that of a word which is not in the batch still moves by
    the momentum of its last gradients, and both its moments decay. Here such a row and its moments
    stay as they are, so the cost of a step depends on the words of the batch, not of the
    vocabulary. It is a different optimiser, not a faster Adam: it ends with other weights. Where a
    gradient has all rows, it is Adam.

    It does not run under XLA, which has no `tf.unique`.

    Raises:
        ValueError: `amsgrad` or `weight_decay`, which are not lazy, are set.
    """

    def build(self, variables: list[Any]) -> None:
        """Make the two moments of every variable."""
        if self.amsgrad or self.weight_decay:
            raise ValueError(
                "LazyAdam has no amsgrad and no weight_decay; use keras.optimizers.Adam for them"
            )
        super().build(variables)

    def moments(self, variable: Any) -> tuple[Any, Any]:
        """The two moments of a variable."""
        index = self._get_variable_index(variable)
        return self._momentums[index], self._velocities[index]

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        """Update `variable`, or those of its rows that `gradient` has."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        # A word that is in the batch more than once is one row, with the sum of its gradients.
        rows, segments = tf.unique(gradient.indices)
        g = tf.math.unsorted_segment_sum(gradient.values, segments, tf.size(rows))  # (rows, width)

        momentum, velocity = (moment.value for moment in self.moments(variable))
        m = self.beta_1 * tf.gather(momentum, rows) + (1 - self.beta_1) * g
        v = self.beta_2 * tf.gather(velocity, rows) + (1 - self.beta_2) * tf.square(g)
        step = tf.cast(self.iterations + 1, variable.dtype)
        rate = tf.cast(learning_rate, variable.dtype)
        rate *= tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * m / (tf.sqrt(v) + self.epsilon), rows))
