"""`Examples`: the rows that a classifier is trained and measured on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES
from lstm_model.inputs import TokenLists
from lstm_model.presets import Preset


@dataclass(frozen=True)
class Examples:
    """Titles with their labels and, for presets that read them, their articles.

    Attributes:
        token_lists: the words of each title.
        labels: `(rows,)`, integers from 0 to 2.
        articles: the words of the beginning of each article, an empty list where there is none;
            None where articles are not read.
    """

    token_lists: TokenLists
    labels: NDArray[np.integer[Any]]
    articles: TokenLists | None = None

    def rows(self, chosen: slice) -> Examples:
        """Some of them."""
        articles = None if self.articles is None else self.articles[chosen]
        return Examples(self.token_lists[chosen], self.labels[chosen], articles)

    def take(self, positions: NDArray[np.intp]) -> Examples:
        """Those at some positions, `(rows,)`."""
        articles = None if self.articles is None else [self.articles[n] for n in positions]
        return Examples([self.token_lists[n] for n in positions], self.labels[positions], articles)


def validate(name: str, examples: Examples) -> None:
    """Raise ValueError, with `name` and the row, unless there are rows with good labels."""
    rows, labels = len(examples.token_lists), np.asarray(examples.labels)
    if rows == 0:
        raise ValueError(f"{name}: there are no rows")
    if labels.shape != (rows,):
        raise ValueError(f"{name}: {rows} rows, but labels of shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name}: labels must be integers, not {labels.dtype}")
    bad = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(bad):
        raise ValueError(
            f"{name}: the label of row {bad[0]} is {labels[bad[0]]}, not one of 0..{CLASSES - 1}"
        )


def split(preset: Preset, train: Examples, dev: Examples | None) -> tuple[Examples, Examples]:
    """The rows to train on and those of dev: `dev`, or the last ones of `train`.

    Raises:
        ValueError: `dev` is given to a preset with a `validation_split`, or missing to another one.
    """
    share = preset.validation_split
    if share is None:
        if dev is None:
            raise ValueError(f"preset {preset.name!r} has no validation_split: dev must be given")
        validate("dev", dev)
        return train, dev
    if dev is not None:
        raise ValueError(f"preset {preset.name!r} has a validation_split: dev must be None")
    at = math.floor(len(train.token_lists) * (1 - share))  # as Keras rounds
    if not 0 < at < len(train.token_lists):
        raise ValueError(
            f"train: {len(train.token_lists)} rows cannot be split with {share} of them as dev"
        )
    return train.rows(slice(at)), train.rows(slice(at, None))


def digest(*parts: Examples) -> str:
    """SHA-256 of the tokens, labels and articles of `parts`."""
    sha256 = hashlib.sha256()
    for examples in parts:
        for tokens, label in zip(examples.token_lists, examples.labels, strict=True):
            sha256.update(json.dumps([*tokens, int(label)]).encode() + b"\n")
        for words in examples.articles or ():
            sha256.update(json.dumps([*words]).encode() + b"\n")
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
