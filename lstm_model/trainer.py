"""`Trainer`: a network, its optimiser, and one epoch of training."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES, network_shapes
from lstm_model.batching import batches
from lstm_model.classifier import Tensor, build_network, mean_probabilities
from lstm_model.examples import Examples, macro_f1
from lstm_model.inputs import padded_ids
from lstm_model.optimizer import LazyAdam
from lstm_model.presets import Preset
from lstm_model.vocabulary import Vocabulary
from lstm_model.word_vectors import WordVectors

DEV_BATCH = 256  # rows; affects memory only


class TrainingError(RuntimeError):
    """The training cannot continue: the loss is not finite."""


class Trainer:
    """A network in training. Making one turns TensorFlow's deterministic operations on."""

    def __init__(
        self, preset: Preset, vocabularies: list[Vocabulary], train: Examples, dev: Examples
    ) -> None:
        tf.config.experimental.enable_op_determinism()
        self.preset = preset
        self.network = build_network(preset, *map(len, vocabularies))
        self._draw_weights(list(network_shapes(preset, *map(len, vocabularies))))
        self.optimizer = LazyAdam(preset.learning_rate)
        self.optimizer.build(self.network.weights)
        self.best_weights = self._weights()
        self.train_ids, self.dev_ids = (
            padded_ids(
                preset.input_names,
                vocabularies,
                examples.token_lists,
                padded_length=preset.padded_length,
            )
            for examples in (train, dev)
        )
        self._rows_of = self._changing_rows()
        self.train_targets = train.targets(preset.label_smoothing)
        self.train_weights = train.relative_weights()
        self.dev_labels = np.asarray(dev.labels, dtype=np.int32)
        # One trace for batches of every height and length.
        ids = [tf.TensorSpec((None, None), tf.int32)] * len(vocabularies)
        targets = tf.TensorSpec((None, CLASSES), tf.float32)
        weights = tf.TensorSpec((None,), tf.float32)
        self.learn = tf.function(self._learn, input_signature=[ids, targets, weights])
        self.predict = tf.function(self._predict, input_signature=[ids])

    def _draw_weights(self, names: list[str]) -> None:
        """Draw the initial weights by the preset's seed.

        Keras would take the seeds from Python's global generator, which other threads draw from.
        """
        weights = {weight.path: weight for weight in self.network.weights}
        seeds = random.Random(self.preset.seed)
        for name in names:
            if initializer := _initializer(name):
                weight = weights[name]
                weight.assign(initializer(seed=seeds.randint(1, 10**9))(weight.shape))

    def _changing_rows(self) -> dict[str, NDArray[Any]]:
        """By the names of embeddings and their moments, the rows that training changes.

        They are those of the words of the training rows: the optimiser leaves the others alone.
        """
        rows = {}
        for embedding, ids in zip(self.network.embeddings, self.train_ids, strict=True):
            weight = embedding.embeddings
            for variable in (weight, *self.optimizer.moments(weight)):
                rows[variable.path] = np.unique(ids)
        return rows

    def start_from(self, pretrained: Sequence[WordVectors]) -> None:
        """Set the embedding of each input."""
        for embedding, word_vectors in zip(self.network.embeddings, pretrained, strict=True):
            embedding.set_weights([word_vectors.vectors])
        self.best_weights = self._weights()

    def epoch(self, epoch: int) -> dict[str, float]:
        """Train on every row once, then measure on dev.

        Raises:
            TrainingError: the loss is not finite.
        """
        rows = len(self.train_targets)
        rng = np.random.default_rng([self.preset.seed, epoch])
        lengths = np.count_nonzero(self.train_ids[0], axis=1)
        order = batches(lengths, self.preset.batch_size, rng)
        self.optimizer.learning_rate.assign(learning_rate(self.preset, epoch))
        loss = correct = 0.0
        for number, batch in enumerate(order, start=1):
            batch_loss, batch_correct = self.learn(
                _trimmed(self.train_ids, batch),
                self.train_targets[batch],
                self.train_weights[batch],
            )
            if not math.isfinite(batch_loss):
                raise TrainingError(
                    f"the loss is {float(batch_loss)} in epoch {epoch}, batch {number}: "
                    f"a lower learning_rate than {self.preset.learning_rate} may help"
                )
            loss += float(batch_loss) * len(batch)
            correct += float(batch_correct)
        return {"loss": loss / rows, "accuracy": correct / rows, **self._measure_on_dev()}

    def _measure_on_dev(self) -> dict[str, float]:
        probabilities = np.concatenate(
            [
                self.predict(_trimmed(self.dev_ids, slice(at, at + DEV_BATCH))).numpy()
                for at in range(0, len(self.dev_labels), DEV_BATCH)
            ]
        )  # (rows, classes)
        of_labels = np.take_along_axis(probabilities, self.dev_labels[:, None], axis=1)
        predicted = probabilities.argmax(axis=1)
        return {
            "dev_loss": float(-np.log(np.maximum(of_labels, 1e-7)).mean(dtype=np.float64)),
            "dev_accuracy": float(np.mean(predicted == self.dev_labels)),
            "dev_macro_f1": macro_f1(self.dev_labels, predicted),
        }

    def _learn(self, ids: list[Tensor], target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the optimiser; the loss, and the number of correct predictions."""
        with tf.GradientTape() as tape:
            vectors = self.network.embed(ids)  # (batch, time, embedding_size) each
            if self.preset.adversarial:
                # Only here, as a tape within a tape doubles the time that TensorFlow traces.
                with tf.GradientTape() as vector_tape:
                    vector_tape.watch(vectors)
                    loss, logits = self._loss(target, weights, vectors, ids)
                gradients = vector_tape.gradient(loss, vectors)
                moved = [
                    of_input + adversarial_step(gradient, self.preset.adversarial)
                    for of_input, gradient in zip(vectors, gradients, strict=True)
                ]
                total_loss = loss + self._loss(target, weights, moved, ids)[0]
            else:
                loss, logits = self._loss(target, weights, vectors, ids)
                total_loss = loss
        trained = self.network.weights
        self.optimizer.apply(tape.gradient(total_loss, trained), trained)
        correct = tf.argmax(mean_probabilities(logits), axis=1) == tf.argmax(target, axis=1)
        return loss, tf.reduce_sum(tf.cast(correct, tf.float32))

    def _loss(
        self, target: Tensor, weights: Tensor, vectors: list[Tensor], ids: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The loss, and the logits of each branch, in training."""
        logits = self.network.read([*vectors, *ids], training=True)
        return mean_loss(target, logits, weights), logits

    def _predict(self, ids: list[Tensor]) -> Tensor:
        logits = self.network.read([*self.network.embed(ids), *ids], training=False)
        return mean_probabilities(logits)

    def _weights(self) -> dict[str, NDArray[Any]]:
        return {weight.path: np.array(weight) for weight in self.network.weights}

    def keep_weights(self) -> None:
        """Take the weights of this epoch for the result."""
        self.best_weights = self._weights()

    def _variables(self) -> dict[str, Any]:
        """All that an epoch changes, the dropout's and the optimiser's state included."""
        return {
            **{f"network/{n:03d}": v for n, v in enumerate(self.network.variables)},
            **{f"optimizer/{n:03d}": v for n, v in enumerate(self.optimizer.variables)},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint: the variables, and the weights kept for the result by their names.

        Of embeddings and their moments only the rows that training changes.
        """
        variables = {
            name: np.asarray(variable)[self._rows_of.get(variable.path, ...)]
            for name, variable in self._variables().items()
        }
        kept = {
            f"kept/{path}": weight[self._rows_of.get(path, ...)]
            for path, weight in self.best_weights.items()
        }
        return {**variables, **kept}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave, after `start_from` as then."""
        for name, variable in self._variables().items():
            values = np.array(variable)
            values[self._rows_of.get(variable.path, ...)] = arrays[name]
            variable.assign(values)
        for path, weight in self.best_weights.items():
            weight[self._rows_of.get(path, ...)] = arrays[f"kept/{path}"]


def _initializer(name: str) -> Any:
    """The kind of random initializer of a weight; None for a bias, which starts from a constant."""
    kind = name.rpartition("/")[2]
    if kind == "embeddings":
        return keras.initializers.RandomUniform
    if kind == "kernel" or kind.startswith("w"):
        return keras.initializers.GlorotUniform
    return keras.initializers.Orthogonal if kind.startswith("u") else None


def learning_rate(preset: Preset, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    left = (preset.epochs - epoch + 1) / preset.epochs
    return preset.learning_rate * min(1.0, 2 * left) if preset.decay else preset.learning_rate


def mean_loss(target: Tensor, logits: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """Cross-entropy, in nats, times the weight of its row, mean over branches and batch.

    That is -1/(B·R) Σ_b Σ_r w_r Σ_c t_rc log softmax(logits_br)_c; with a soft label as the target
    its gradient is that of the Kullback-Leibler divergence from it.

    Args:
        target: probabilities `(batch, CLASSES)`.
        logits: `(branches, batch, CLASSES)`.
        weights: of the rows, `(batch,)`, with mean 1 over all training rows.
    """
    target = tf.broadcast_to(target, tf.shape(logits))
    return tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(target, logits))


def adversarial_step(gradient: Tensor, length: float) -> Tensor:
    """For each title, the step of that length along its gradient `(batch, time, size)`.

    Source: Miyato, Dai and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
    Classification", ICLR 2017, equation 5. A title without a gradient stays where it is.
    """
    gradient = tf.stop_gradient(gradient)
    size = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2], keepdims=True))
    return tf.math.divide_no_nan(length * gradient, size)


def _trimmed(ids: list[NDArray[np.int32]], rows: Any) -> list[NDArray[np.int32]]:
    """Some rows of each input `(rows, length)`, without the padding that all of them have."""
    chosen = [of_input[rows] for of_input in ids]
    return [of_input[:, : max(1, np.count_nonzero(of_input.any(axis=0)))] for of_input in chosen]
