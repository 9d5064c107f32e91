"""Metrics by length and by share of unknown words."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.metrics.bootstrap import LEVEL
from headlines.metrics.classification import Labels, classification_metrics

# Upper bounds (inclusive) of all slices but the last.
_LENGTHS = (10, 15, 20, 25, 30)
_LENGTH_NAMES = ("1–10", "11–15", "16–20", "21–25", "26–30", "over 30")
_UNKNOWN = (0.0, 0.1, 0.25, 0.5)
_UNKNOWN_NAMES = ("none", "up to 10 %", "up to 25 %", "up to 50 %", "over 50 %")


def by_length(
    lengths: npt.NDArray[np.integer[Any]], labels: Labels, predictions: Labels
) -> list[dict[str, Any]]:
    """Metrics by the length of the headlines.

    Args:
        lengths: characters of each headline, (rows,).
        labels, predictions: true and predicted label ids, (rows,).

    Returns:
        For each slice `name`, `rows`, `accuracy`, its `interval` (Wilson's, at 95 %) and
        `macro_f1`; all None without rows.
    """
    return _by_slice(lengths, _LENGTHS, _LENGTH_NAMES, labels, predictions)


def by_unknown(
    shares: npt.NDArray[np.floating[Any]], labels: Labels, predictions: Labels
) -> list[dict[str, Any]]:
    """Metrics by the share of unknown words, (rows,), in the form of `by_length`."""
    return _by_slice(shares, _UNKNOWN, _UNKNOWN_NAMES, labels, predictions)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Wilson's score interval of a share, which also holds for few rows and for shares of 0 and 1.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
    the American Statistical Association 22 (1927). There must be at least one row.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share = hits / rows
    middle = share + z**2 / (2 * rows)
    half = z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    low, high = (middle - half) / (1 + z**2 / rows), (middle + half) / (1 + z**2 / rows)
    return max(low, 0.0), min(high, 1.0)


def _by_slice(
    values: npt.NDArray[Any],
    bounds: Sequence[float],
    names: Sequence[str],
    labels: Labels,
    predictions: Labels,
) -> list[dict[str, Any]]:
    slices = np.searchsorted(bounds, values)  # a value equal to a bound lies below it
    return [
        _slice_metrics(name, labels[slices == number], predictions[slices == number])
        for number, name in enumerate(names)
    ]


def _slice_metrics(name: str, labels: Labels, predictions: Labels) -> dict[str, Any]:
    metrics = classification_metrics(labels, predictions)
    hits, rows = int((labels == predictions).sum()), len(labels)
    return {
        "name": name,
        "rows": rows,
        "accuracy": metrics["accuracy"],
        "interval": list(wilson(hits, rows)) if rows else None,
        "macro_f1": metrics["macro_f1"],
    }
