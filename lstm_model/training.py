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
from collections.abc import Callable
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
from lstm_model.classifier import build_classifier
from lstm_model.examples import Examples, check, digest, macro_f1, split
from lstm_model.optimizer import LazyAdam
from lstm_model.presets import CLASSES, Preset, weight_shapes
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
    pretrained: WordVectors | None = None,
) -> Trained:
    """Train the classifier of `preset`, or go on where a run that ended early has left off.

    `checkpoint_dir` gets a checkpoint after every epoch, before `on_epoch` is called. If it holds
    one of the same preset, data and library versions, the training resumes there; if that one is
    the last, the result is given at once. The vocabulary is that of `pretrained`, or of all of
    `train`.

    The process's random seeds are set and TensorFlow's deterministic operations switched on.

    Args:
        dev: chooses the epoch; None exactly where the preset has a `validation_split`.
        pretrained: where the embedding starts; None exactly where the preset has it so.

    Raises:
        ValueError: no rows, more or fewer labels than rows, a label outside 0..2, a `dev` or
            `pretrained` that contradicts the preset.
        TrainingError: the loss is not finite.
    """
    check("train", train)
    _check_pretrained(preset, pretrained)
    if pretrained is not None:
        vocabulary = pretrained.vocabulary
    else:
        vocabulary = Vocabulary.build(train.token_lists, preset.rules, preset.min_count)
    train, dev = split(preset, train, dev)
    configuration = _configuration(preset, train, dev, pretrained)

    found = latest_checkpoint(checkpoint_dir, configuration)
    if found is None or not found.progress.finished:
        run = _Run(preset, vocabulary, train, dev)
        if pretrained is not None:
            run.start_from(pretrained.vectors)
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
    names = weight_shapes(preset, len(vocabulary))
    weights = {name: arrays[f"kept/{name}"] for name in names}
    return Trained(
        preset, vocabulary, weights, progress.history, progress.best_epoch, progress.seconds
    )


def _check_pretrained(preset: Preset, pretrained: WordVectors | None) -> None:
    if preset.pretrained != (pretrained is not None):
        wanted = "needs" if preset.pretrained else "takes no"
        raise ValueError(f"preset {preset.name!r} {wanted} pretrained vectors")
    if pretrained is None:
        return
    shape = (len(pretrained.vocabulary), preset.embedding_size)
    if pretrained.vectors.shape != shape or pretrained.vocabulary.rules != preset.rules:
        raise ValueError(
            f"preset {preset.name!r} needs vectors of shape {shape} and words by {preset.rules!r}, "
            f"not {pretrained.vectors.shape} and {pretrained.vocabulary.rules!r}"
        )


def _configuration(
    preset: Preset, train: Examples, dev: Examples, pretrained: WordVectors | None
) -> str:
    """Digest of everything that decides the result."""
    start = pretrained.digest() if pretrained else None
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
        self, preset: Preset, vocabulary: Vocabulary, train: Examples, dev: Examples
    ) -> None:
        keras.utils.set_random_seed(preset.seed)
        tf.config.experimental.enable_op_determinism()
        self.preset = preset
        self.model = build_classifier(preset, len(vocabulary))
        self.optimizer = LazyAdam(preset.learning_rate)
        self.optimizer.build(self.model.trainable_variables)
        self.kept: list[NDArray[Any]] = self.model.get_weights()
        self.train_ids = vocabulary.encode(train.token_lists, preset.padded_length)
        self.train_labels = np.asarray(train.labels, dtype=np.int32)
        self.dev_ids = vocabulary.encode(dev.token_lists, preset.padded_length)
        self.dev_labels = np.asarray(dev.labels, dtype=np.int32)
        # One trace for batches of every height and length.
        ids, labels = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)
        self.learn = tf.function(self._learn, input_signature=[ids, labels])
        self.predict = tf.function(self._predict, input_signature=[ids])

    def start_from(self, vectors: NDArray[np.float32]) -> None:
        """Give the embedding's words the vectors `(words, embedding_size)`."""
        self.model.get_layer("embedding").set_weights([vectors])
        self.kept = self.model.get_weights()

    def epoch(self, epoch: int) -> dict[str, float]:
        """Learn from every row once, then measure on dev."""
        rows = len(self.train_labels)
        rng = np.random.default_rng([self.preset.seed, epoch])
        lengths = np.count_nonzero(self.train_ids, axis=1)
        order = batches(lengths, self.preset.batch_size, rng)
        self.optimizer.learning_rate.assign(learning_rate(self.preset, epoch))
        loss = correct = 0.0
        for batch, chosen in enumerate(order, start=1):
            ids = _trim(self.train_ids[chosen])
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
                self.predict(_trim(self.dev_ids[at : at + DEV_BATCH])).numpy()
                for at in range(0, len(self.dev_ids), DEV_BATCH)
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

    def _learn(self, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        smoothing = self.preset.label_smoothing
        target = tf.one_hot(labels, CLASSES) * (1 - smoothing) + smoothing / CLASSES
        with tf.GradientTape() as tape:
            probabilities = self.model(ids, training=True)  # (batch, classes)
            losses = keras.losses.categorical_crossentropy(target, probabilities)  # (batch,)
            loss = tf.reduce_mean(losses)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        right = tf.argmax(probabilities, axis=1, output_type=tf.int32) == labels
        return loss, tf.reduce_sum(tf.cast(right, tf.float32))

    def _predict(self, ids: Tensor) -> Tensor:
        return self.model(ids, training=False)

    def keep_weights(self) -> None:
        """Take the weights of this epoch for the result."""
        self.kept = self.model.get_weights()

    def _variables(self) -> dict[str, Any]:
        """All that an epoch changes, the dropout's and the optimiser's state included."""
        return {
            **{f"model/{n:03d}": v for n, v in enumerate(self.model.variables)},
            **{f"optimizer/{n:03d}": v for n, v in enumerate(self.optimizer.variables)},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint: the variables, and the weights kept for the result by their names."""
        names = [f"kept/{weight.path}" for weight in self.model.weights]
        return {
            **{name: np.asarray(variable) for name, variable in self._variables().items()},
            **dict(zip(names, self.kept, strict=True)),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        for name, variable in self._variables().items():
            variable.assign(arrays[name])
        self.kept = [arrays[f"kept/{weight.path}"] for weight in self.model.weights]


def _trim(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """`ids` `(rows, length)` up to the longest row: the padding behind it changes nothing."""
    return ids[:, : max(1, np.count_nonzero(ids.any(axis=0)))]
