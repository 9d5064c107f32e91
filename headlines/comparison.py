"""Paired comparison of two classifiers on the same rows.

Both are right or wrong on the same headlines, mostly the easy ones; to draw rows with the label and
both predictions together keeps that, and finds smaller differences than two intervals side by side.
All that counts of a row is its cell (label, prediction of one, prediction of the other), so a
resample is one draw over the cells, as in `intervals`.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headlines.intervals import interval, resampled
from headlines.labels import LABELS
from headlines.metrics import Floats, Labels, accuracies, class_f1


@dataclass(frozen=True)
class Difference:
    """How much higher a figure of ours is than theirs.

    Attributes:
        difference: ours less theirs, on the rows as they are.
        low: from here …
        high: … to here: 95 % percentile interval of the paired bootstrap.
        p: one-sided, for "ours is not better": the share of resamples whose difference is 0 or
            below. The rows as they are count as one more such resample, so it is 1 / 10,001 at
            least. It is 0.025 or a hair more at most where the interval lies above 0, and 1 for
            the same predictions (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993,
            section 15.4: tests and intervals).
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same rows; all differences are ours less theirs.

    Attributes:
        rows: compared.
        macro_f1: of the plain mean of the classes' F1.
        accuracy: of the share of right predictions.
        classes: name to difference of its F1.
    """

    rows: int
    macro_f1: Difference
    accuracy: Difference
    classes: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def compare(labels: Labels, ours: Labels, theirs: Labels) -> Comparison:
    """Compare the predictions `ours` with `theirs`.

    The same rows give the same comparison: the bootstrap is seeded.

    Args:
        labels: true label ids, shape (rows,).
        ours: predicted label ids of one classifier, same shape.
        theirs: predicted label ids of the other, same shape.

    Raises:
        ValueError: the shapes differ, or there are no rows.
    """
    if not len(labels) or not labels.shape == ours.shape == theirs.shape:
        raise ValueError(
            f"as many labels as predictions of both were expected, and one at least, not "
            f"{labels.shape}, {ours.shape} and {theirs.shape}"
        )
    cells = np.zeros((len(LABELS),) * 3, np.int64)  # (label, ours, theirs)
    np.add.at(cells, (labels, ours, theirs), 1)
    drawn = resampled(cells)
    f1 = _f1_differences(cells)
    return Comparison(
        rows=len(labels),
        macro_f1=_difference(float(f1.mean()), _f1_differences(drawn).mean(axis=-1)),
        accuracy=_difference(float(_accuracy_differences(cells)), _accuracy_differences(drawn)),
        classes={name: float(f1[label]) for label, name in enumerate(LABELS)},
    )


def _f1_differences(cells: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """Shape (…, classes), from cells (…, label, ours, theirs)."""
    return class_f1(cells.sum(axis=-1)) - class_f1(cells.sum(axis=-2))


def _accuracy_differences(cells: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """Shape (…), from cells (…, label, ours, theirs)."""
    return accuracies(cells.sum(axis=-1)) - accuracies(cells.sum(axis=-2))


def _difference(found: float, in_resamples: Floats) -> Difference:
    low, high = interval(in_resamples)
    not_better = int((in_resamples <= 0).sum())
    return Difference(found, low, high, p=(not_better + 1) / (len(in_resamples) + 1))
