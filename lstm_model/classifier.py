"""The classifier: word ids in, the probabilities of the classes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from lstm_model.layer import CustomLSTM
from lstm_model.presets import CLASSES, EMBEDDINGS, Preset, Reader, embedding_sizes, readers, views
from lstm_model.views import INPUTS

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


@dataclass(frozen=True)
class Network:
    """The classifier in two parts, so that training can disturb what lies between them.

    Attributes:
        embeddings: for each view, the layer from ids `(batch, time)`, int32, 0 for padding, to
            vectors `(batch, time, embedding_size)`.
        read: all views' vectors, then all views' ids, to the logits of each reader, `(readers,
            batch, CLASSES)`.
    """

    embeddings: list[Any]
    read: Any

    def embed(self, ids: Sequence[Tensor]) -> list[Tensor]:
        """The vectors of each view."""
        return [layer(one) for layer, one in zip(self.embeddings, ids, strict=True)]

    @property
    def weights(self) -> list[Any]:
        """Those of `presets.weight_shapes`, by their paths."""
        return [*(layer.embeddings for layer in self.embeddings), *self.read.weights]

    @property
    def variables(self) -> list[Any]:
        """The weights, and the state of the dropout."""
        return [*(layer.embeddings for layer in self.embeddings), *self.read.variables]


def build_network(preset: Preset, *vocabulary_sizes: int) -> Network:
    """The network of `preset`, with fresh weights, for vocabularies of these sizes, one a view.

    The weights' paths and shapes are those of `presets.weight_shapes`.
    """
    embeddings, vectors, ids = [], {}, {}
    sizes = zip(views(preset), vocabulary_sizes, embedding_sizes(preset), strict=True)
    for view, words, size in sizes:
        embedding = WordEmbedding(words, size, name=EMBEDDINGS[view])
        embedding.build((None, None))
        embeddings.append(embedding)
        vectors[view] = keras.Input((None, size), name=f"vectors_of_{view}")
        ids[view] = keras.Input((None,), dtype="int32", name=f"ids_of_{view}")
    mask = {view: keras.ops.not_equal(one, 0) for view, one in ids.items()}  # (batch, time)
    logits = [
        _logits(preset, reader, vectors[reader.view], mask[reader.view], preset.seed + 2 * place)
        for place, reader in enumerate(readers(preset))
    ]
    read = keras.Model([*vectors.values(), *ids.values()], keras.ops.stack(logits), name="read")
    return Network(embeddings, read)


def _logits(preset: Preset, reader: Reader, vectors: Tensor, mask: Tensor, seed: int) -> Tensor:
    """Logits `(batch, CLASSES)` of one reader."""
    layers = keras.layers
    x = layers.Dropout(preset.dropout, seed=seed)(vectors)  # (batch, time, embedding_size)
    every_step = preset.pooling == "max_mean"
    outputs = []
    for name, backwards in zip(reader.lstms, (False, True), strict=False):
        lstm = CustomLSTM(preset.units, every_step, go_backwards=backwards, name=name)
        y = lstm(x, mask=mask)
        # Back to the words' order, so that each step has the mask of its word.
        outputs.append(keras.ops.flip(y, axis=1) if every_step and backwards else y)
    y = keras.ops.concatenate(outputs, axis=-1)  # (batch, [time,] directions*units)

    if every_step:
        y = MaxMeanPooling()(y, mask=mask)  # (batch, 2*directions*units)
    y = layers.Dropout(preset.dropout, seed=seed + 1)(y)
    return layers.Dense(CLASSES, name=reader.dense)(y)


def mean_probabilities(logits: Tensor) -> Tensor:
    """Probabilities `(batch, CLASSES)` of the mean of the readers' `(readers, batch, CLASSES)`."""
    return keras.ops.softmax(keras.ops.mean(logits, axis=0))


def build_classifier(preset: Preset, *vocabulary_sizes: int) -> Any:
    """The `keras.Model` of `preset`, with fresh weights, for vocabularies of these sizes.

    Input: ids `(batch, time)`, int32, 0 for padding, of each view. Output: probabilities
    `(batch, CLASSES)`. The weights' paths and shapes are those of `presets.weight_shapes`.
    """
    network = build_network(preset, *vocabulary_sizes)
    ids = [keras.Input((None,), dtype="int32", name=INPUTS[view]) for view in views(preset)]
    probabilities = mean_probabilities(network.read([*network.embed(ids), *ids]))
    return keras.Model(ids, probabilities, name="classifier")
