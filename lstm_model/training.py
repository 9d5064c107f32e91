"""`train`: from token lists and labels to a trained classifier, the same one every time.

All that the training depends on is set by the preset's seed or stored in the checkpoint: initial
weights, the order of the rows (a function of seed and epoch), the state of the dropout and of the
optimiser. So two runs on the same machine end with the same bits, and so does a run that was killed
and resumed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from lstm_model import linear_training
from lstm_model.architecture import network_shapes
from lstm_model.bundle import Bundle
from lstm_model.checkpoint import Checkpoint, Progress, latest_checkpoint, write_checkpoint
from lstm_model.examples import Examples, digest, split, validate
from lstm_model.inputs import input_tokens, require_articles
from lstm_model.presets import Preset
from lstm_model.trainer import Trainer
from lstm_model.vocabulary import Vocabulary
from lstm_model.word_vectors import WordVectors


@dataclass(frozen=True)
class EpochReport:
    """An epoch just finished.

    `loss` and `accuracy` are of the training batches as they were trained on (with dropout, and
    smoothed or soft labels), `dev_loss` is plain cross-entropy in nats. `eta_seconds`: time left if
    every epoch that may follow is run.
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


def train(
    preset: Preset,
    train: Examples,
    dev: Examples | None,
    checkpoint_dir: Path,
    on_epoch: Callable[[EpochReport], None] | None = None,
    pretrained: Sequence[WordVectors] | None = None,
) -> Trained:
    """Train the classifier of `preset`, or resume a run that ended early.

    A checkpoint is written after every epoch, before `on_epoch` is called. If `checkpoint_dir`
    holds one of the same preset, data and library versions, the training resumes there; if that
    one is the last, no epoch is run. The inputs' vocabularies are those of `pretrained`, or are
    built from all of `train`. The linear path of articles is fitted after the last epoch; the
    figures of the epochs are of the network without it.

    TensorFlow's deterministic operations are turned on, for the whole process.

    Args:
        dev: chooses the epoch; None exactly where the preset has a `validation_split`.
        pretrained: initial embedding of each input; None exactly where the preset is not
            `pretrained`.

    Raises:
        ValueError: no rows, more or fewer labels or weights than rows, a label outside 0..2, a bad
            soft label or weight, a `dev` or `pretrained` that contradicts the preset.
        TrainingError: the loss is not finite.
    """
    validate("train", train)
    require_articles(train.token_lists, train.articles, read=preset.contents is not None)
    _validate_pretrained(preset, pretrained)
    if pretrained is not None:
        vocabularies = [word_vectors.vocabulary for word_vectors in pretrained]
    else:
        vocabularies = _build_vocabularies(preset, train)
    train, dev = split(preset, train, dev)
    configuration = _configuration(preset, train, dev, pretrained)

    trainer = Trainer(preset, vocabularies, train, dev)
    if pretrained is not None:
        trainer.start_from(pretrained)
    progress = Progress(configuration, 0, False, 0, [], [])
    if checkpoint := latest_checkpoint(checkpoint_dir, configuration):
        progress = checkpoint.progress
        trainer.restore(checkpoint.arrays)
    while not progress.finished:
        started = time.perf_counter()
        figures = trainer.epoch(progress.epoch + 1)
        progress = _next(preset, progress, figures, time.perf_counter() - started)
        if progress.best_epoch == progress.epoch:
            trainer.keep_weights()
        write_checkpoint(checkpoint_dir, Checkpoint(progress, trainer.arrays()))
        if on_epoch is not None:
            on_epoch(_report(preset, progress))
    names = network_shapes(preset, *map(len, vocabularies))
    weights = {name: trainer.best_weights[name] for name in names}
    if preset.contents is not None and train.articles is not None:
        targets = train.targets(label_smoothing=0) * train.relative_weights()[:, None]
        vocabulary, of_path = linear_training.fit(
            preset.contents, preset.rules, train.articles, targets
        )
        vocabularies, weights = [*vocabularies, vocabulary], weights | of_path
    return Trained(
        preset, vocabularies, weights, progress.history, progress.best_epoch, progress.seconds
    )


def _build_vocabularies(preset: Preset, train: Examples) -> list[Vocabulary]:
    tokens = input_tokens(preset.input_names, preset.rules, train.token_lists, None)
    return [
        Vocabulary.build(token_lists, text_input.rules, text_input.min_count)
        for token_lists, text_input in zip(tokens, preset.inputs, strict=True)
    ]


def _validate_pretrained(preset: Preset, pretrained: Sequence[WordVectors] | None) -> None:
    if preset.pretrained != (pretrained is not None):
        verb = "needs" if preset.pretrained else "does not use"
        raise ValueError(f"preset {preset.name!r} {verb} pretrained vectors")
    if pretrained is None:
        return
    if len(pretrained) != len(preset.inputs):
        raise ValueError(
            f"preset {preset.name!r} needs vectors of each input: {', '.join(preset.input_names)}"
        )
    for word_vectors, text_input in zip(pretrained, preset.inputs, strict=True):
        vocabulary, rules = word_vectors.vocabulary, text_input.rules
        shape = (len(vocabulary), text_input.embedding_size)
        if word_vectors.vectors.shape != shape or vocabulary.rules != rules:
            raise ValueError(
                f"preset {preset.name!r} needs vectors of shape {shape} and words by {rules!r}, "
                f"not {word_vectors.vectors.shape} and {vocabulary.rules!r}"
            )


def _configuration(
    preset: Preset, train: Examples, dev: Examples, pretrained: Sequence[WordVectors] | None
) -> str:
    """Digest of everything that decides the result."""
    vectors = [word_vectors.digest() for word_vectors in pretrained or ()]
    parts = [preset.to_dict(), digest(train, dev), vectors, tf.__version__, keras.__version__]
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
