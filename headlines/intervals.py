"""Bootstrap intervals of figures that depend on the confusion matrix alone.

To draw as many rows with replacement and count them anew is one draw from the multinomial
distribution over the cells of the matrix. So 10,000 resamples cost milliseconds, whatever the
number of rows. The percentile interval is that of Efron & Tibshirani, "An Introduction to the
Bootstrap" (1993), chapter 13; it says how far the figure would move on other headlines of the same
kind, and nothing of headlines of another kind. Where a classifier makes no mistake at all, no
resample has one, and the interval has no width.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS
from headlines.metrics import Floats, accuracies, class_f1

LEVEL = 0.95
RESAMPLES = 10_000
_SEED = 0  # the same counts give the same interval


def resampled(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
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


def intervals(matrix: npt.NDArray[np.int64]) -> dict[str, Any]:
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
    drawn = resampled(matrix)
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
