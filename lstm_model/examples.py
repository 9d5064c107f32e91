"""`Examples`: the rows that a classifier is trained and measured on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES
from lstm_model.inputs import TokenLists
from lstm_model.presets import Preset

UNLABELLED = -1


@dataclass(frozen=True)
class Examples:
    """Titles with their labels and, for presets that read them, their articles.

    A soft label is what a teacher says of a title: several annotators, or a larger model. The
    network is trained on it instead of the label, which is there for the measures.

    Attributes:
        token_lists: the words of each title.
        labels: `(rows,)`, integers from 0 to 2; `UNLABELLED` for a row with a soft label alone.
        articles: the words of the beginning of each article, an empty list where there is none;
            None where articles are not read.
        soft_labels: `(rows, CLASSES)`, probabilities, NaN for a row without a soft label; None
            where no row has one.
        weights: `(rows,)`, above 0: how much each row counts in training, compared with the
            others; None if all count the same.
    """

    token_lists: TokenLists
    labels: NDArray[np.integer[Any]]
    articles: TokenLists | None = None
    soft_labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None

    def take(self, positions: NDArray[np.intp]) -> Examples:
        """Those at some positions, `(rows,)`."""
        return Examples(
            [self.token_lists[n] for n in positions],
            self.labels[positions],
            None if self.articles is None else [self.articles[n] for n in positions],
            None if self.soft_labels is None else self.soft_labels[positions],
            None if self.weights is None else self.weights[positions],
        )

    def targets(self, label_smoothing: float) -> NDArray[np.float32]:
        """The probabilities to train towards, `(rows, CLASSES)`.

        Those of the soft label where there is one; else of the label, of which `label_smoothing`
        is spread evenly over the classes. A soft label is not smoothed: it says itself how certain
        it is.
        """
        # As float32 throughout, like the network.
        one_hot = np.eye(CLASSES, dtype=np.float32)[self.labels]
        target: NDArray[np.float32] = one_hot * np.float32(1 - label_smoothing) + np.float32(
            label_smoothing / CLASSES
        )
        if self.soft_labels is not None:
            np.copyto(target, self.soft_labels, where=~np.isnan(self.soft_labels))
        return target

    def relative_weights(self) -> NDArray[np.float32]:
        """The weights divided by their mean, so that the learning rate keeps its meaning."""
        if self.weights is None:
            return np.ones(len(self.labels), np.float32)
        relative: NDArray[np.float64] = self.weights / self.weights.mean(dtype=np.float64)
        return relative.astype(np.float32)


def validate(name: str, examples: Examples) -> None:
    """Raise ValueError, with `name` and the row, unless there are rows with good labels.

    Every row must have a label or a soft label.
    """
    rows, labels = len(examples.token_lists), np.asarray(examples.labels)
    if rows == 0:
        raise ValueError(f"{name}: there are no rows")
    if labels.shape != (rows,):
        raise ValueError(f"{name}: {rows} rows, but labels of shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name}: labels must be integers, not {labels.dtype}")
    good = (labels >= 0) & (labels < CLASSES)
    if examples.soft_labels is not None:
        _validate_soft_labels(name, examples.soft_labels, rows)
        good |= (labels == UNLABELLED) & ~np.isnan(examples.soft_labels[:, 0])
    if not good.all():
        row = good.argmin()
        raise ValueError(
            f"{name}: the label of row {row} is {labels[row]}, not one of 0..{CLASSES - 1}"
        )
    if (weights := examples.weights) is not None:
        if weights.shape != (rows,):
            raise ValueError(f"{name}: {rows} rows, but weights of shape {weights.shape}")
        good = np.isfinite(weights) & (weights > 0)
        if not good.all():
            row = good.argmin()
            raise ValueError(f"{name}: the weight of row {row} is {weights[row]}, not above 0")


def _validate_soft_labels(name: str, soft_labels: NDArray[np.float32], rows: int) -> None:
    if soft_labels.shape != (rows, CLASSES):
        raise ValueError(f"{name}: {rows} rows, but soft labels of shape {soft_labels.shape}")
    good = (soft_labels >= 0).all(axis=1) & (abs(soft_labels.sum(axis=1) - 1) < 1e-3)
    good |= np.isnan(soft_labels).all(axis=1)
    if not good.all():
        row = good.argmin()
        raise ValueError(f"{name}: the soft label of row {row} is {soft_labels[row]}")


def split(preset: Preset, train: Examples, dev: Examples | None) -> tuple[Examples, Examples]:
    """The rows to train on and those of dev: `dev`, or the last labelled ones of `train`.

    Raises:
        ValueError: `dev` is given to a preset with a `validation_split`, or missing to another one.
    """
    share = preset.validation_split
    if share is None:
        if dev is None:
            raise ValueError(f"preset {preset.name!r} has no validation_split: dev must be given")
        validate("dev", replace(dev, soft_labels=None))  # it is measured by labels
        return train, dev
    if dev is not None:
        raise ValueError(f"preset {preset.name!r} has a validation_split: dev must be None")
    labelled = np.flatnonzero(train.labels != UNLABELLED)
    at = math.floor(len(labelled) * (1 - share))  # as Keras rounds
    if not 0 < at < len(labelled):
        raise ValueError(f"train: {len(labelled)} rows cannot be split with {share} of them as dev")
    rows = np.arange(len(train.labels))
    return train.take(np.delete(rows, labelled[at:])), train.take(labelled[at:])


def digest(*parts: Examples) -> str:
    """SHA-256 of the tokens, labels, articles, soft labels and weights of `parts`."""
    sha256 = hashlib.sha256()
    for examples in parts:
        for tokens, label in zip(examples.token_lists, examples.labels, strict=True):
            sha256.update(json.dumps([*tokens, int(label)]).encode() + b"\n")
        for words in examples.articles or ():
            sha256.update(json.dumps([*words]).encode() + b"\n")
        for name in ("soft_labels", "weights"):
            if (numbers := getattr(examples, name)) is not None:
                sha256.update(name.encode() + np.asarray(numbers, np.float32).tobytes())
        sha256.update(b"\n")
    return sha256.hexdigest()


def macro_f1(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean F1 over all classes, 0 for one that neither array `(rows,)` holds."""
    scores = []
    for label in range(CLASSES):
        both = np.sum((labels == label) & (predicted == label))
        either = np.sum(labels == label) + np.sum(predicted == label)
        scores.append(2 * both / either if either else 0.0)
    return float(np.mean(scores))
