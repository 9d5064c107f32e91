"""Soft labels and weights of rows: what a teacher says of a headline, and how much it counts.

Only training uses them: `lstm_model.examples.Examples` says how.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from headlines.labels import LABELS

PROBABILITIES = tuple(f"p_{name}" for name in LABELS)
TRAINING_COLUMNS = (*PROBABILITIES, "weight")
_MAX_DEVIATION = 1e-3  # of the sum from 1: probabilities may have been rounded


def read_soft_label(fields: Mapping[str, Any]) -> tuple[float, ...] | None:
    """A probability of each class, divided by their sum; None if the row has none.

    Raises:
        ValueError: they cannot be used; the message is the reason.
    """
    values = [_number(name, fields.get(name)) for name in PROBABILITIES]
    probabilities = [value for value in values if value is not None]
    if not probabilities:
        return None
    if len(probabilities) < len(values):
        raise ValueError(f"not all of {', '.join(PROBABILITIES)} are given")
    total = math.fsum(probabilities)
    if not abs(total - 1) <= _MAX_DEVIATION:
        raise ValueError(f"the sum of {', '.join(PROBABILITIES)} is not 1")
    return tuple(value / total for value in probabilities)


def read_weight(fields: Mapping[str, Any]) -> float | None:
    """The weight of a row, above 0; None if it has none.

    Raises:
        ValueError: it cannot be used; the message is the reason.
    """
    weight = _number("weight", fields.get("weight"))
    if weight == 0:
        raise ValueError("weight is not above 0")
    return weight


def _number(name: str, value: Any) -> float | None:
    """A number from 0 as a float32 holds it; None if there is none."""
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= np.finfo(np.float32).max:
        raise ValueError(f"{name} is not a number from 0")
    return float(np.float32(number))
