"""Bootstrap intervals of figures that depend on the confusion matrix alone.

To draw as many rows with replacement and count them anew is one draw from the multinomial
distribution over the cells of the matrix. So 10,000 resamples cost milliseconds, whatever the
number of rows. The percentile interval is that of Efron & Tibshirani, "An Introduction to the
Bootstrap" (1993), chapter 13; it says how far the figure would move on other headlines of the same
kind, and nothing of headlines of another kind. Where a classifier makes no mistake at all, no
resample has one, and the interval has no width.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS
from headlines.metrics.classification import Floats, Labels, accuracies, class_f1

LEVEL = 0.95
RESAMPLES = 10_000
_SEED = 0  # the same counts give the same interval


def resample_counts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The counts that as many rows drawn with replacement would give, `RESAMPLES` times.

    Args:
        counts: rows by cell, of any shape; one row at least.

    Returns:
        Shape (RESAMPLES, *shape of counts).
    """
    rows = int(counts.sum())
    drawn = np.random.default_rng(_SEED).multinomial(rows, counts.ravel() / rows, RESAMPLES)
    return drawn.reshape(RESAMPLES, *counts.shape)


def interval(values: Floats) -> tuple[float, float]:
    """The middle `LEVEL` of the values, shape (resamples,): from which to which."""
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(values, [outside, 1 - outside])
    return float(low), float(high)


def bootstrap_intervals(matrix: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Intervals of accuracy, macro-F1 and the F1 of each class, as plain data.

    Args:
        matrix: rows by label and prediction, shape (classes, classes).

    Returns:
        `level`, `accuracy` and `macro_f1` ([low, high]; None for no rows) and `classes` (name to
        [low, high] of its F1; None for a class without rows).
    """
    if not matrix.sum():
        nothing = dict.fromkeys(LABELS)
        return {"level": LEVEL, "accuracy": None, "macro_f1": None, "classes": nothing}
    drawn = resample_counts(matrix)
    f1 = class_f1(drawn)  # (resamples, classes)
    return {
        "level": LEVEL,
        "accuracy": list(interval(accuracies(drawn))),
        "macro_f1": list(interval(f1.mean(axis=1))),
        "classes": {
            name: list(interval(f1[:, label])) if matrix[label].any() else None
            for label, name in enumerate(LABELS)
        },
    }


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


def paired_bootstrap(labels: Labels, ours: Labels, theirs: Labels) -> Comparison:
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
    drawn = resample_counts(cells)
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
