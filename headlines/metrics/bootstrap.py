"""Bootstrap intervals and paired tests of metrics that depend on the confusion matrix alone.

Resampling rows with replacement and counting them is one draw from the multinomial distribution
over the cells of the matrix, so 10,000 resamples take milliseconds for any number of rows. The
percentile interval is that of Efron & Tibshirani, "An Introduction to the Bootstrap" (1993),
chapter 13. It says how far the metric would move on other headlines of the same kind, and nothing
about headlines of another kind. A classifier without mistakes has an interval of no width.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS
from headlines.metrics.calibration import Probabilities, label_log_probabilities
from headlines.metrics.classification import Floats, Labels, accuracies, class_f1

LEVEL = 0.95
RESAMPLES = 10_000
_RESAMPLED_AT_ONCE = 1_000_000  # rows
_SEED = 0  # the same counts give the same interval


def resample_counts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bootstrap samples, (RESAMPLES, *shape), of at least one row counted by cell, any shape."""
    rows = int(counts.sum())
    drawn = np.random.default_rng(_SEED).multinomial(rows, counts.ravel() / rows, RESAMPLES)
    return drawn.reshape(RESAMPLES, *counts.shape)


def interval(values: Floats) -> tuple[float, float]:
    """Bounds of the middle `LEVEL` of the values, shape (resamples,)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_intervals(matrix: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Intervals of accuracy, macro-F1 and the F1 of each class, as plain data.

    Args:
        matrix: confusion matrix, (classes, classes).

    Returns:
        `level`, `accuracy` and `macro_f1` ([low, high]; None without rows) and `classes` (name to
        [low, high] of its F1; None for a class without rows).
    """
    if not matrix.sum():
        no_classes = dict.fromkeys(LABELS)
        return {"level": LEVEL, "accuracy": None, "macro_f1": None, "classes": no_classes}
    resamples = resample_counts(matrix)
    f1 = class_f1(resamples)  # (resamples, classes)
    return {
        "level": LEVEL,
        "accuracy": list(interval(accuracies(resamples))),
        "macro_f1": list(interval(f1.mean(axis=1))),
        "classes": {
            name: list(interval(f1[:, label])) if matrix[label].any() else None
            for label, name in enumerate(LABELS)
        },
    }


@dataclass(frozen=True)
class Difference:
    """The difference of a metric between two classifiers, ours minus theirs.

    Attributes:
        difference: on the given rows.
        low: lower bound of the 95 % percentile interval of the paired bootstrap.
        high: upper bound.
        p: one-sided, for "ours is not better": the share of resamples in which it is not. The given
            rows count as one such resample, so it is at least 1 / 10,001. It is about 0.025 or less
            where the interval does not contain 0, and 1 for equal predictions (Efron & Tibshirani
            1993, section 15.4).
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same rows; all differences are ours minus theirs.

    Attributes:
        rows: number of rows compared.
        macro_f1: difference of the unweighted mean of the classes' F1.
        accuracy: difference of the accuracy.
        classes: difference of the F1 by class name.
    """

    rows: int
    macro_f1: Difference
    accuracy: Difference
    classes: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def paired_bootstrap(labels: Labels, ours: Labels, theirs: Labels) -> Comparison:
    """Compare two classifiers by true and predicted label ids, each (rows,); it is seeded.

    Raises:
        ValueError: the shapes differ, or there are no rows.
    """
    if not len(labels) or not labels.shape == ours.shape == theirs.shape:
        raise ValueError(
            "labels and both predictions must have the same shape and at least one row, not "
            f"{labels.shape}, {ours.shape} and {theirs.shape}"
        )
    cells = np.zeros((len(LABELS),) * 3, np.int64)  # (label, ours, theirs)
    np.add.at(cells, (labels, ours, theirs), 1)
    resamples = resample_counts(cells)
    f1 = _f1_differences(cells)
    return Comparison(
        rows=len(labels),
        macro_f1=_difference(float(f1.mean()), _f1_differences(resamples).mean(axis=-1)),
        accuracy=_difference(float(_accuracy_differences(cells)), _accuracy_differences(resamples)),
        classes={name: float(f1[label]) for label, name in enumerate(LABELS)},
    )


def paired_cross_entropy(labels: Labels, ours: Probabilities, theirs: Probabilities) -> Difference:
    """Compare the cross-entropy of two classifiers on the same rows, in nats; less is better.

    It is the mean negative logarithm of the label's probability. Rows are resampled; it is seeded.

    Args:
        labels: true label ids, (rows,); at least one row.
        ours, theirs: probabilities, (rows, classes).
    """
    from scipy.stats import bootstrap  # takes half a second to import

    differences = -label_log_probabilities(ours, labels) + label_log_probabilities(theirs, labels)
    resampled = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _RESAMPLED_AT_ONCE // len(labels)),
        method="percentile",
        rng=_SEED,
    ).bootstrap_distribution
    turned = _difference(float(-differences.mean()), -resampled)
    return Difference(-turned.difference, -turned.high, -turned.low, turned.p)


def _f1_differences(cells: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """Shape (…, classes), from cells (…, label, ours, theirs)."""
    return class_f1(cells.sum(axis=-1)) - class_f1(cells.sum(axis=-2))


def _accuracy_differences(cells: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """Shape (…), from cells (…, label, ours, theirs)."""
    return accuracies(cells.sum(axis=-1)) - accuracies(cells.sum(axis=-2))


def _difference(difference: float, resampled: Floats) -> Difference:
    low, high = interval(resampled)
    not_better = int((resampled <= 0).sum())
    return Difference(difference, low, high, p=(not_better + 1) / (len(resampled) + 1))
