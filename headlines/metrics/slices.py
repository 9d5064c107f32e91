"""Results by a property of the headlines: where a model is good, and where it is not."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.metrics.bootstrap import LEVEL
from headlines.metrics.classification import Labels, classification_metrics

# Upper bounds, included; what is beyond the last has a slice of its own.
_LENGTHS = (10, 15, 20, 25, 30)
_LENGTH_NAMES = ("1–10", "11–15", "16–20", "21–25", "26–30", "over 30")
_UNKNOWN = (0.0, 0.1, 0.25, 0.5)
_UNKNOWN_NAMES = ("none", "up to 10 %", "up to 25 %", "up to 50 %", "over 50 %")


def by_length(
    lengths: npt.NDArray[np.integer[Any]], labels: Labels, predictions: Labels
) -> list[dict[str, Any]]:
    """Results by the length of the headlines.

    Args:
        lengths: of each headline in characters, shape (rows,).
        labels: true label ids, shape (rows,).
        predictions: predicted label ids, shape (rows,).

    Returns:
        For each slice `name`, `rows`, `accuracy`, its `interval` (Wilson's, at 95 %) and
        `macro_f1`; all None for no rows.
    """
    return _sliced(lengths, _LENGTHS, _LENGTH_NAMES, labels, predictions)


def by_unknown(
    shares: npt.NDArray[np.floating[Any]], labels: Labels, predictions: Labels
) -> list[dict[str, Any]]:
    """Results by the share of words that the model does not know, as `by_length` has them.

    Args:
        shares: of each headline, from 0 to 1, shape (rows,).
        labels: true label ids, same shape.
        predictions: predicted label ids, same shape.
    """
    return _sliced(shares, _UNKNOWN, _UNKNOWN_NAMES, labels, predictions)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The score interval of a share, which holds for few rows too, and for all of them right.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
    the American Statistical Association 22 (1927).

    Args:
        hits: of these rows.
        rows: at least one.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share = hits / rows
    middle = share + z**2 / (2 * rows)
    half = z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    low, high = (middle - half) / (1 + z**2 / rows), (middle + half) / (1 + z**2 / rows)
    return max(low, 0.0), min(high, 1.0)


def _sliced(
    values: npt.NDArray[Any],
    bounds: Sequence[float],
    names: Sequence[str],
    labels: Labels,
    predictions: Labels,
) -> list[dict[str, Any]]:
    places = np.searchsorted(bounds, values)  # a value equal to a bound lies below it
    return [
        _result(name, labels[places == place], predictions[places == place])
        for place, name in enumerate(names)
    ]


def _result(name: str, labels: Labels, predictions: Labels) -> dict[str, Any]:
    found = classification_metrics(labels, predictions)
    hits, rows = int((labels == predictions).sum()), len(labels)
    return {
        "name": name,
        "rows": rows,
        "accuracy": found["accuracy"],
        "interval": list(wilson(hits, rows)) if rows else None,
        "macro_f1": found["macro_f1"],
    }
