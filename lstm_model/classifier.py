"""`build_classifier`: word ids in, the probabilities of the classes out."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from lstm_model.layer import CustomLSTM
from lstm_model.presets import CLASSES, Preset

Tensor = Any


@keras.saving.register_keras_serializable(package="lstm_model")
class WordEmbedding(keras.layers.Embedding):
    """Keras' `Embedding`, but it reads from the table the rows that it needs, and not all.

    Once an optimiser has written single rows of a variable, TensorFlow copies it for whoever reads
    all of it: with 86,000 words of 128 values that would be 44 MB for every batch.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return tf.nn.embedding_lookup(self.embeddings.value, tf.cast(inputs, tf.int32))


@keras.saving.register_keras_serializable(package="lstm_model")
class MaxMeanPooling(keras.Layer):
    """Maximum and mean over the steps that the mask keeps, side by side.

    Input `(batch, time, features)`, mask `(batch, time)` or none; output `(batch, 2*features)`,
    zeros for a row of which no step is kept.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, sequences: Tensor, mask: Tensor = None) -> Tensor:
        ops = keras.ops
        if mask is None:
            mask = ops.ones(ops.shape(sequences)[:2], dtype="bool")
        kept = mask[:, :, None]  # (batch, time, 1)
        steps = ops.sum(ops.cast(kept, sequences.dtype), axis=1)  # (batch, 1)
        maximum = ops.max(ops.where(kept, sequences, -math.inf), axis=1)  # (batch, features)
        maximum = ops.where(steps > 0, maximum, 0)
        total = ops.sum(ops.where(kept, sequences, 0), axis=1)  # (batch, features)
        return ops.concatenate([maximum, total / ops.maximum(steps, 1)], axis=1)

    def compute_mask(self, sequences: Tensor, mask: Tensor = None) -> None:
        return None  # there are no steps any more

    def compute_output_shape(self, sequences_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        return (sequences_shape[0], 2 * (sequences_shape[-1] or 0))


def build_classifier(preset: Preset, vocabulary_size: int) -> Any:
    """The `keras.Model` of `preset`, with fresh weights.

    Input: word ids `(batch, time)`, int32, 0 for padding. Output: probabilities `(batch, CLASSES)`.
    The weights' paths and shapes are those of `presets.weight_shapes`.
    """
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.ops.not_equal(ids, 0)  # (batch, time)
    x = WordEmbedding(vocabulary_size, preset.embedding_size, name="embedding")(ids)
    x = layers.Dropout(preset.dropout, seed=preset.seed)(x)  # (batch, time, embedding_size)

    every_step = preset.pooling == "max_mean"
    read = [CustomLSTM(preset.units, every_step, name="forward")(x, mask=mask)]
    if preset.bidirectional:
        backward = CustomLSTM(preset.units, every_step, go_backwards=True, name="backward")
        y = backward(x, mask=mask)
        # Back to the words' order, so that each step has the mask of its word.
        read.append(keras.ops.flip(y, axis=1) if every_step else y)
    y = keras.ops.concatenate(read, axis=-1)  # (batch, [time,] directions*units)

    if every_step:
        y = MaxMeanPooling(name="pooling")(y, mask=mask)  # (batch, 2*directions*units)
    y = layers.Dropout(preset.dropout, seed=preset.seed + 1)(y)
    probabilities = layers.Dense(CLASSES, activation="softmax", name="dense")(y)
    return keras.Model(ids, probabilities, name="classifier")
