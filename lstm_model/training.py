"""`train`: from token lists and labels to a trained classifier, the same one every time.

Whatever the training depends on is fixed by the preset's seed or stored in the checkpoint: initial
weights, the order of the rows (a function of seed and epoch), the state of the dropout and of the
optimiser. So two runs on the same machine end with the same bits, and so does a run that was killed
and started again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lstm_model.batching import batches
from lstm_model.bundle import Bundle
from lstm_model.checkpoint import Checkpoint, Progress, latest_checkpoint, write_checkpoint
from lstm_model.classifier import build_network, mean_probabilities
from lstm_model.examples import Examples, check, digest, macro_f1, split
from lstm_model.optimizer import LazyAdam
from lstm_model.presets import (
    CLASSES,
    Preset,
    embedding_sizes,
    min_counts,
    rules,
    views,
    weight_shapes,
)
from lstm_model.views import encode, tokens_of
from lstm_model.vocabulary import Vocabulary
from lstm_model.word_vectors import WordVectors

Tensor = Any
DEV_BATCH = 256  # rows; decides memory and nothing else


@dataclass(frozen=True)
class EpochReport:
    """An epoch just finished. `loss` and `accuracy` are of the training batches as they were
    learned from (with dropout and smoothed labels), `dev_loss` is plain cross-entropy in nats.
    `eta_seconds`: time left if every epoch that may follow is run.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    dev_loss: float
    dev_accuracy: float
    dev_macro_f1: float
    seconds: float
    eta_seconds: float


@dataclass(frozen=True)
class Trained(Bundle):
    """A trained classifier, ready for `write_bundle`, and the wall-clock time of its epochs."""

    seconds: list[float]


class TrainingError(RuntimeError):
    """The training cannot go on: the loss is no number any more."""


def train(
    preset: Preset,
    train: Examples,
    dev: Examples | None,
    checkpoint_dir: Path,
    on_epoch: Callable[[EpochReport], None] | None = None,
    pretrained: Sequence[WordVectors] | None = None,
) -> Trained:
    """Train the classifier of `preset`, or go on where a run that ended early has left off.

    `checkpoint_dir` gets a checkpoint after every epoch, before `on_epoch` is called. If it holds
    one of the same preset, data and library versions, the training resumes there; if that one is
    the last, the result is given at once. The vocabularies are those of `pretrained`, or of all of
    `train`.

    The process's random seeds are set and TensorFlow's deterministic operations switched on.

    Args:
        dev: chooses the epoch; None exactly where the preset has a `validation_split`.
        pretrained: where the embedding of each view starts; None exactly where the preset has it
            so.

    Raises:
        ValueError: no rows, more or fewer labels than rows, a label outside 0..2, a `dev` or
            `pretrained` that contradicts the preset.
        TrainingError: the loss is not finite.
    """
    check("train", train)
    _check_pretrained(preset, pretrained)
    if pretrained is not None:
        vocabularies = [one.vocabulary for one in pretrained]
    else:
        vocabularies = _vocabularies(preset, train)
    train, dev = split(preset, train, dev)
    configuration = _configuration(preset, train, dev, pretrained)

    found = latest_checkpoint(checkpoint_dir, configuration)
    if found is None or not found.progress.finished:
        run = _Run(preset, vocabularies, train, dev)
        if pretrained is not None:
            run.start_from(pretrained)
        if found is None:
            progress = Progress(configuration, 0, False, 0, [], [])
        else:
            progress = found.progress
            run.restore(found.arrays)
        while not progress.finished:
            began = time.perf_counter()
            figures = run.epoch(progress.epoch + 1)
            progress = _next(preset, progress, figures, time.perf_counter() - began)
            if progress.best_epoch == progress.epoch:
                run.keep_weights()
            write_checkpoint(checkpoint_dir, Checkpoint(progress, run.arrays()))
            if on_epoch is not None:
                on_epoch(_report(preset, progress))
        arrays = run.arrays()
    else:
        progress, arrays = found.progress, found.arrays
    names = weight_shapes(preset, *map(len, vocabularies))
    weights = {name: arrays[f"kept/{name}"] for name in names}
    return Trained(
        preset, vocabularies, weights, progress.history, progress.best_epoch, progress.seconds
    )


def _vocabularies(preset: Preset, train: Examples) -> list[Vocabulary]:
    tokens = tokens_of(views(preset), train.token_lists, train.contents)
    each = zip(tokens, rules(preset), min_counts(preset), strict=True)
    return [Vocabulary.build(one, by, least) for one, by, least in each]


def _check_pretrained(preset: Preset, pretrained: Sequence[WordVectors] | None) -> None:
    if preset.pretrained != (pretrained is not None):
        wanted = "needs" if preset.pretrained else "takes no"
        raise ValueError(f"preset {preset.name!r} {wanted} pretrained vectors")
    if pretrained is None:
        return
    if len(pretrained) != len(views(preset)):
        raise ValueError(
            f"preset {preset.name!r} reads {' and '.join(views(preset))}, and needs vectors of each"
        )
    for found, size, by in zip(pretrained, embedding_sizes(preset), rules(preset), strict=True):
        shape = (len(found.vocabulary), size)
        if found.vectors.shape != shape or found.vocabulary.rules != by:
            raise ValueError(
                f"preset {preset.name!r} needs vectors of shape {shape} and words by {by!r}, "
                f"not {found.vectors.shape} and {found.vocabulary.rules!r}"
            )


def _configuration(
    preset: Preset, train: Examples, dev: Examples, pretrained: Sequence[WordVectors] | None
) -> str:
    """Digest of everything that decides the result."""
    start = [one.digest() for one in pretrained or ()]
    parts = [preset.to_dict(), digest(train, dev), start, tf.__version__, keras.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _next(
    preset: Preset, progress: Progress, figures: dict[str, float], seconds: float
) -> Progress:
    """The progress after one more epoch: is it the best, is it the last?"""
    epoch = progress.epoch + 1
    best = progress.best_epoch
    score = figures["dev_macro_f1"]
    if preset.patience is None or not best or score > progress.history[best - 1]["dev_macro_f1"]:
        best = epoch
    out_of_patience = preset.patience is not None and epoch - best >= preset.patience
    return Progress(
        configuration=progress.configuration,
        epoch=epoch,
        finished=epoch >= preset.epochs or out_of_patience,
        best_epoch=best,
        history=[*progress.history, {"epoch": epoch, **figures}],
        seconds=[*progress.seconds, seconds],
    )


def _report(preset: Preset, progress: Progress) -> EpochReport:
    figures = {name: value for name, value in progress.history[-1].items() if name != "epoch"}
    left = 0 if progress.finished else preset.epochs - progress.epoch
    return EpochReport(
        epoch=progress.epoch,
        epochs=preset.epochs,
        seconds=progress.seconds[-1],
        eta_seconds=left * sum(progress.seconds) / len(progress.seconds),
        **figures,
    )


def learning_rate(preset: Preset, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    left = (preset.epochs - epoch + 1) / preset.epochs
    return preset.learning_rate * min(1.0, 2 * left) if preset.decay else preset.learning_rate


class _Run:
    """Model and optimiser, and what an epoch does to them."""

    def __init__(
        self, preset: Preset, vocabularies: list[Vocabulary], train: Examples, dev: Examples
    ) -> None:
        keras.utils.set_random_seed(preset.seed)
        tf.config.experimental.enable_op_determinism()
        self.preset = preset
        self.network = build_network(preset, *map(len, vocabularies))
        self.optimizer = LazyAdam(preset.learning_rate)
        self.optimizer.build(self.network.weights)
        self.kept = self._weights()
        self.train_ids = _encoded(preset, vocabularies, train)
        self.train_labels = np.asarray(train.labels, dtype=np.int32)
        self.dev_ids = _encoded(preset, vocabularies, dev)
        self.dev_labels = np.asarray(dev.labels, dtype=np.int32)
        # One trace for batches of every height and length.
        ids = [tf.TensorSpec((None, None), tf.int32)] * len(vocabularies)
        labels = tf.TensorSpec((None,), tf.int32)
        self.learn = tf.function(self._learn, input_signature=[ids, labels])
        self.predict = tf.function(self._predict, input_signature=[ids])

    def start_from(self, pretrained: Sequence[WordVectors]) -> None:
        """Give the words of each view their vectors."""
        for embedding, one in zip(self.network.embeddings, pretrained, strict=True):
            embedding.set_weights([one.vectors])
        self.kept = self._weights()

    def epoch(self, epoch: int) -> dict[str, float]:
        """Learn from every row once, then measure on dev."""
        rows = len(self.train_labels)
        rng = np.random.default_rng([self.preset.seed, epoch])
        longest_view = self.train_ids[-1 if self.preset.contents else 0]
        lengths = np.count_nonzero(longest_view, axis=1)
        order = batches(lengths, self.preset.batch_size, rng)
        self.optimizer.learning_rate.assign(learning_rate(self.preset, epoch))
        loss = correct = 0.0
        for batch, chosen in enumerate(order, start=1):
            ids = _rows(self.train_ids, chosen)
            batch_loss, batch_correct = self.learn(ids, self.train_labels[chosen])
            if not math.isfinite(batch_loss):
                raise TrainingError(
                    f"the loss is {float(batch_loss)} in epoch {epoch}, batch {batch}: "
                    f"a lower learning_rate than {self.preset.learning_rate} may help"
                )
            loss += float(batch_loss) * len(chosen)
            correct += float(batch_correct)

        probabilities = np.concatenate(
            [
                self.predict(_rows(self.dev_ids, slice(at, at + DEV_BATCH))).numpy()
                for at in range(0, len(self.dev_labels), DEV_BATCH)
            ]
        )  # (rows, classes)
        right = np.take_along_axis(probabilities, self.dev_labels[:, None], axis=1)
        predicted = probabilities.argmax(axis=1)
        return {
            "loss": loss / rows,
            "accuracy": correct / rows,
            "dev_loss": float(-np.log(np.maximum(right, 1e-7)).mean(dtype=np.float64)),
            "dev_accuracy": float(np.mean(predicted == self.dev_labels)),
            "dev_macro_f1": macro_f1(self.dev_labels, predicted),
        }

    def _learn(self, ids: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        smoothing = self.preset.label_smoothing
        target = tf.one_hot(labels, CLASSES) * (1 - smoothing) + smoothing / CLASSES
        with tf.GradientTape() as tape:
            vectors = self.network.embed(ids)  # (batch, time, embedding_size) each
            with tf.GradientTape() as towards:
                towards.watch(vectors)
                logits = self.network.read([*vectors, *ids], training=True)
                loss = _mean_loss(target, logits)
            learnt = loss
            if self.preset.adversarial:
                moved = [
                    one + _along(gradient, self.preset.adversarial)
                    for one, gradient in zip(vectors, towards.gradient(loss, vectors), strict=True)
                ]
                learnt += _mean_loss(target, self.network.read([*moved, *ids], training=True))
        weights = self.network.weights
        self.optimizer.apply(tape.gradient(learnt, weights), weights)
        predicted = tf.argmax(mean_probabilities(logits), axis=1, output_type=tf.int32)
        return loss, tf.reduce_sum(tf.cast(predicted == labels, tf.float32))

    def _predict(self, ids: list[Tensor]) -> Tensor:
        logits = self.network.read([*self.network.embed(ids), *ids], training=False)
        return mean_probabilities(logits)

    def _weights(self) -> dict[str, NDArray[Any]]:
        return {weight.path: np.array(weight) for weight in self.network.weights}

    def keep_weights(self) -> None:
        """Take the weights of this epoch for the result."""
        self.kept = self._weights()

    def _variables(self) -> dict[str, Any]:
        """All that an epoch changes, the dropout's and the optimiser's state included."""
        return {
            **{f"network/{n:03d}": v for n, v in enumerate(self.network.variables)},
            **{f"optimizer/{n:03d}": v for n, v in enumerate(self.optimizer.variables)},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint: the variables, and the weights kept for the result by their names."""
        return {
            **{name: np.asarray(variable) for name, variable in self._variables().items()},
            **{f"kept/{name}": weight for name, weight in self.kept.items()},
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        for name, variable in self._variables().items():
            variable.assign(arrays[name])
        self.kept = {name: arrays[f"kept/{name}"] for name in self.kept}


def _encoded(
    preset: Preset, vocabularies: list[Vocabulary], examples: Examples
) -> list[NDArray[np.int32]]:
    """Ids of each view `(rows, length)`."""
    given = (examples.token_lists, examples.contents)
    return encode(views(preset), vocabularies, *given, padded_length=preset.padded_length)


def _mean_loss(target: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy, in nats, mean over readers and batch.

    Args:
        target: probabilities `(batch, CLASSES)`.
        logits: `(readers, batch, CLASSES)`.
    """
    target = tf.broadcast_to(target, tf.shape(logits))
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, logits))


def _along(gradient: Tensor, length: float) -> Tensor:
    """For each title, the step of that length along its gradient `(batch, time, size)`.

    Source: Miyato, Dai and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
    Classification", ICLR 2017, equation 5. A title without a gradient stays where it is.
    """
    gradient = tf.stop_gradient(gradient)
    size = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2], keepdims=True))
    return tf.math.divide_no_nan(length * gradient, size)


def _rows(views: list[NDArray[np.int32]], chosen: Any) -> list[NDArray[np.int32]]:
    """Rows of each view `(rows, length)`, up to the longest: the padding behind changes nothing."""
    found = [ids[chosen] for ids in views]
    return [ids[:, : max(1, np.count_nonzero(ids.any(axis=0)))] for ids in found]
