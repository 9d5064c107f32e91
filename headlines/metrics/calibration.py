"""Calibration metrics: is a classifier that says 0.8 right 8 times in 10?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.metrics.classification import Labels

Probabilities = npt.NDArray[np.floating[Any]]

BINS = 15  # as in Guo et al.
_MIN_PROBABILITY = 1e-12  # keeps the log loss finite for a probability rounded to 0


def calibration_metrics(
    probabilities: Probabilities, labels: Labels, predictions: Labels
) -> dict[str, Any]:
    """Calibration error, log loss and Brier score, as plain data.

    The confidence of a row is the probability of its prediction. The expected calibration error is
    the mean distance between accuracy and confidence over 15 bins of equal width, weighted by rows
    (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). The Brier score is the mean
    squared error of the probabilities, summed over the classes, from 0 to 2 (Brier 1950).

    Args:
        probabilities: (rows, classes).
        labels, predictions: true and predicted label ids, (rows,).

    Returns:
        `ece`, `nll` (mean negative logarithm of the label's probability, in nats) and `brier`, each
        None without rows; and `bins`: `from` (excluded), `to`, `rows`, mean `confidence` and
        `accuracy` (None without rows).
    """
    confidence = _class_probabilities(probabilities, predictions)
    hits = (labels == predictions).astype(float)
    upper = np.arange(1, BINS + 1) / BINS
    # Rounding may put a probability slightly above 1.
    bins = np.minimum(np.searchsorted(upper, confidence), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    confidence_sums = np.bincount(bins, confidence, minlength=BINS)
    hit_sums = np.bincount(bins, hits, minlength=BINS)
    scores = dict.fromkeys(("ece", "nll", "brier"))
    if len(labels):
        truth = np.eye(probabilities.shape[1])[labels]
        scores = {
            "ece": float(np.abs(hit_sums - confidence_sums).sum() / len(labels)),
            "nll": float(-label_log_probabilities(probabilities, labels).mean()),
            "brier": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        }
    return {
        **scores,
        "bins": [
            {
                "from": bin_ / BINS,
                "to": float(upper[bin_]),
                "rows": int(rows[bin_]),
                "confidence": float(confidence_sums[bin_] / rows[bin_]) if rows[bin_] else None,
                "accuracy": float(hit_sums[bin_] / rows[bin_]) if rows[bin_] else None,
            }
            for bin_ in range(BINS)
        ],
    }


def label_log_probabilities(
    probabilities: Probabilities, labels: Labels
) -> npt.NDArray[np.float64]:
    """The logarithm of the probability of each row's label, shape (rows,)."""
    return np.log(np.maximum(_class_probabilities(probabilities, labels), _MIN_PROBABILITY))


def _class_probabilities(probabilities: Probabilities, classes: Labels) -> npt.NDArray[np.float64]:
    """The probability of each row's class, shape (rows,)."""
    chosen = np.take_along_axis(probabilities, classes.astype(np.int64)[:, None], axis=1)
    return chosen[:, 0].astype(np.float64)
