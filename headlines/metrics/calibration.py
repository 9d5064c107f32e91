"""Calibration of a classifier: whether headlines given 0.8 are right 8 times in 10."""

from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.metrics.classification import Labels

Probabilities = npt.NDArray[np.floating[Any]]

BINS = 15  # as Guo et al. have it
_LEAST = 1e-12  # a probability that was rounded to 0 does not make the mean infinite


def calibration_metrics(
    probabilities: Probabilities, labels: Labels, predictions: Labels
) -> dict[str, Any]:
    """How far the probabilities can be taken at their word, as plain data.

    The confidence of a row is the probability of its prediction. The expected calibration error is
    the mean distance of accuracy and confidence over 15 bins of equal width, each weighted by its
    rows (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). The Brier score is the
    mean over the rows of the squared distances to 1 for the label and 0 for the others, summed over
    the classes, from 0 to 2 (Brier 1950).

    Args:
        probabilities: shape (rows, classes).
        labels: true label ids, shape (rows,).
        predictions: predicted label ids, shape (rows,).

    Returns:
        `ece`, `nll` (mean negative logarithm of the label's probability, in nats) and `brier`, each
        None for no rows; and `bins`: `from` (excluded), `to`, `rows`, mean `confidence` and
        `accuracy` (None for no rows).
    """
    confidence = _of_classes(probabilities, predictions)
    hits = (labels == predictions).astype(float)
    upper = np.arange(1, BINS + 1) / BINS
    # Rounding may lift a probability a little above 1.
    places = np.minimum(np.searchsorted(upper, confidence), BINS - 1)
    rows = np.bincount(places, minlength=BINS)
    confidences = np.bincount(places, confidence, minlength=BINS)  # sums
    right = np.bincount(places, hits, minlength=BINS)
    scores = dict.fromkeys(("ece", "nll", "brier"))
    if len(labels):
        truth = np.eye(probabilities.shape[1])[labels]
        scores = {
            "ece": float(np.abs(right - confidences).sum() / len(labels)),
            "nll": float(-np.log(np.maximum(_of_classes(probabilities, labels), _LEAST)).mean()),
            "brier": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        }
    return {
        **scores,
        "bins": [
            {
                "from": place / BINS,
                "to": float(upper[place]),
                "rows": int(rows[place]),
                "confidence": float(confidences[place] / rows[place]) if rows[place] else None,
                "accuracy": float(right[place] / rows[place]) if rows[place] else None,
            }
            for place in range(BINS)
        ],
    }


def _of_classes(probabilities: Probabilities, classes: Labels) -> npt.NDArray[np.float64]:
    """The probability of each row's class, shape (rows,)."""
    chosen = np.take_along_axis(probabilities, classes.astype(np.int64)[:, None], axis=1)
    return chosen[:, 0].astype(np.float64)
