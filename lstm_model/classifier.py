"""The network around `CustomLSTM`: token ids in, the probabilities of the classes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from lstm_model.architecture import CLASSES, EMBEDDINGS, Branch, branches
from lstm_model.branch_config import ArticleConfig
from lstm_model.inputs import CONTENT_COUNTS, ID_INPUTS
from lstm_model.layer import CustomLSTM
from lstm_model.presets import Preset

Tensor = Any


@keras.saving.register_keras_serializable(package="lstm_model")
class WordEmbedding(keras.layers.Embedding):
    """Keras' `Embedding`, but it reads only the rows it needs.

    Once an optimiser has written single rows of a variable, TensorFlow copies it for each reader of
    the whole: 44 MB a batch, for 86,000 words of 128 values.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return tf.nn.embedding_lookup(self.embeddings.value, tf.cast(inputs, tf.int32))


@keras.saving.register_keras_serializable(package="lstm_model")
class MaxMeanPooling(keras.Layer):
    """Maximum and mean over the steps that the mask keeps, concatenated.

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
        return None  # the output has no steps

    def compute_output_shape(self, sequences_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        return (sequences_shape[0], 2 * (sequences_shape[-1] or 0))


@dataclass(frozen=True)
class Network:
    """The classifier in two parts, so that training can change the vectors between them.

    Attributes:
        embeddings: for each input, the layer from ids `(batch, time)`, int32, 0 for padding, to
            vectors `(batch, time, embedding_size)`.
        read: the vectors of all inputs, then their ids, to the logits of each branch, `(branches,
            batch, CLASSES)`.
    """

    embeddings: list[Any]
    read: Any

    def embed(self, ids: Sequence[Tensor]) -> list[Tensor]:
        """The vectors of each input."""
        return [
            embedding(of_input) for embedding, of_input in zip(self.embeddings, ids, strict=True)
        ]

    @property
    def weights(self) -> list[Any]:
        """Those of `architecture.weight_shapes`, by their paths."""
        return [*(layer.embeddings for layer in self.embeddings), *self.read.weights]

    @property
    def variables(self) -> list[Any]:
        """The weights, and the state of the dropout."""
        return [*(layer.embeddings for layer in self.embeddings), *self.read.variables]


def build_network(preset: Preset, *vocabulary_sizes: int) -> Network:
    """The network of `preset`, with fresh weights, for vocabularies of these sizes, one an input.

    The weights' paths and shapes are those of `architecture.weight_shapes`.
    """
    embeddings, vectors, ids, masks = [], {}, {}, {}
    for text_input, words in zip(preset.inputs, vocabulary_sizes, strict=True):
        name, size = text_input.name, text_input.embedding_size
        embedding = WordEmbedding(words, size, name=EMBEDDINGS[name])
        embedding.build((None, None))
        embeddings.append(embedding)
        vectors[name] = keras.Input((None, size), name=f"vectors_of_{name}")
        ids[name] = keras.Input((None,), dtype="int32", name=f"ids_of_{name}")
        masks[name] = keras.ops.not_equal(ids[name], 0)  # (batch, time)
    logits = [
        _branch_logits(preset, branch, number, vectors[branch.input], masks[branch.input])
        for number, branch in enumerate(branches(preset))
    ]
    read = keras.Model([*vectors.values(), *ids.values()], keras.ops.stack(logits), name="read")
    return Network(embeddings, read)


def _branch_logits(
    preset: Preset, branch: Branch, number: int, vectors: Tensor, mask: Tensor
) -> Tensor:
    """Logits `(batch, CLASSES)` of one branch, counted from 0."""

    def dropout(x: Tensor, index: int) -> Tensor:
        name = _numbered("dropout", index)
        return keras.layers.Dropout(preset.dropout, seed=preset.seed + index, name=name)(x)

    x = dropout(vectors, 2 * number)  # (batch, time, embedding_size)
    every_step = preset.pooling == "max_mean"
    outputs = []
    for name, backwards in zip(branch.lstms, (False, True), strict=False):
        lstm = CustomLSTM(preset.units, every_step, go_backwards=backwards, name=name)
        y = lstm(x, mask=mask)
        # Back to the words' order, so that each step has the mask of its word.
        outputs.append(keras.ops.flip(y, axis=1) if every_step and backwards else y)
    y = keras.ops.concatenate(outputs, axis=-1)  # (batch, [time,] directions*units)

    if every_step:
        pooling = MaxMeanPooling(name=_numbered("max_mean_pooling", number))
        y = pooling(y, mask=mask)  # (batch, 2*directions*units)
    y = dropout(y, 2 * number + 1)
    return keras.layers.Dense(CLASSES, name=branch.dense)(y)


class ArticlePath(keras.Layer):
    """The linear path of `lstm_model.linear`, for inference.

    Input: the network's logits `(batch, CLASSES)`, then both of `linear.padded_counts`. Output: the
    classifier's logits `(batch, CLASSES)`.
    """

    def __init__(self, config: ArticleConfig, words: int, name: str) -> None:
        super().__init__(name=name, trainable=False)
        self.config = config
        self.idf = self.add_weight(shape=(words,), initializer="zeros", name="idf")
        self.kernel = self.add_weight(shape=(words, CLASSES), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(CLASSES,), initializer="zeros", name="bias")

    def call(self, inputs: list[Tensor]) -> Tensor:
        ops = keras.ops
        network, ids, counts = inputs
        frequencies = 1 + ops.log(ops.cast(ops.maximum(counts, 1), "float32"))
        values = frequencies * ops.take(self.idf, ids)  # (batch, words), 0 for padding
        lengths = ops.sqrt(ops.sum(values**2, axis=1, keepdims=True))  # (batch, 1)
        products = values[:, :, None] * ops.take(self.kernel, ids, axis=0)
        linear = ops.sum(products, axis=1) / ops.where(lengths > 0, lengths, 1) + self.bias
        blended = self.config.network_weight * network + self.config.article_weight * linear
        return ops.where(lengths > 0, blended, network)


def _numbered(name: str, index: int) -> str:
    """The name that Keras gives the layers of a process's first network.

    TensorFlow orders sums of gradients by the names of layers. Keras' own names depend on all
    layers made before, and with them the last bits of the trained weights would.
    """
    return f"{name}_{index}" if index else name


def mean_probabilities(logits: Tensor) -> Tensor:
    """Probabilities `(batch, CLASSES)` of the mean of logits `(branches, batch, CLASSES)`."""
    return keras.ops.softmax(keras.ops.mean(logits, axis=0))


def build_classifier(preset: Preset, *vocabulary_sizes: int) -> Any:
    """The `keras.Model` of `preset`, with fresh weights, for vocabularies of these sizes.

    Input: ids `(batch, time)`, int32, 0 for padding, of each input; and, where the article is read,
    both of `linear.padded_counts`. Output: probabilities `(batch, CLASSES)`. The weights' paths and
    shapes are those of `architecture.weight_shapes`.
    """

    def ids_of(name: str) -> Tensor:
        return keras.Input((None,), dtype="int32", name=name)

    network = build_network(preset, *vocabulary_sizes[: len(preset.inputs)])
    ids = [ids_of(ID_INPUTS[name]) for name in preset.input_names]
    logits = keras.ops.mean(network.read([*network.embed(ids), *ids]), axis=0)
    if preset.contents is None:
        return keras.Model(ids, keras.ops.softmax(logits), name="classifier")
    article = [ids_of(ID_INPUTS["contents"]), ids_of(CONTENT_COUNTS)]
    path = ArticlePath(preset.contents, vocabulary_sizes[-1], name="linear")
    probabilities = keras.ops.softmax(path([logits, *article]))
    return keras.Model([*ids, *article], probabilities, name="classifier")
