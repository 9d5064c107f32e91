"""`Calibration`: from the logits of a trained classifier to probabilities and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES
from lstm_model.row_stable import Floats

MIN_VALUE, MAX_VALUE = 0.001, 1000  # beyond them float32 loses the probabilities
# Of those fitted: beyond them too few rows have decided.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


def log_probabilities(probabilities: Floats) -> Floats:
    """Logarithms of `probabilities` `(rows, classes)`: logits that give them back at temperature 1.

    A probability that float32 has rounded to 0 counts as the smallest positive one.
    """
    logarithms: Floats = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return logarithms


@dataclass(frozen=True)
class Calibration:
    """Two adjustments after the training, chosen on rows that were not trained on.

    Attributes:
        temperature: the logits are divided by it before the softmax; above 1 the probabilities
            are less extreme, and no label changes (Guo et al., "On Calibration of Modern Neural
            Networks", ICML 2017).
        thresholds: one a class. The label is the class whose probability is the largest multiple of
            its threshold: with equal ones the most probable class; a lower one favours its class.

    Raises:
        ValueError: a number is missing, or not from 0.001 to 1000.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = (1.0,) * CLASSES

    def __post_init__(self) -> None:
        if len(self.thresholds) != CLASSES:
            raise ValueError(f"thresholds must be {CLASSES} numbers, not {self.thresholds!r}")
        for value in (self.temperature, *self.thresholds):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not MIN_VALUE <= value <= MAX_VALUE:
                raise ValueError(
                    f"temperature and thresholds must be from {MIN_VALUE} to {MAX_VALUE}, "
                    f"not {value!r:.40}"
                )

    @classmethod
    def fitted(cls, logits: NDArray[np.floating[Any]], labels: NDArray[Any]) -> Calibration:
        """The temperature that makes the labels likeliest, from 0.05 to 20; thresholds are equal.

        It minimises the mean negative logarithm of the labels' probabilities, which is convex in
        1 / temperature, by bisecting its slope. On the rows it is fitted on, it is never worse than
        1. It stays 1 where they do not decide it: no rows, each row's logits equal, or every label
        the most probable class (the lower the temperature the better, without end).

        Args:
            logits: `(rows, classes)` at temperature 1, or the logarithms of the probabilities:
                the softmax is the same. Finite.
            labels: label ids `(rows,)`, of rows that were not trained on.
        """
        logits = logits.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True, initial=-np.inf)  # (rows, classes), 0 at most
        of_labels = logits[np.arange(len(labels)), labels]
        if not logits.any() or not of_labels.any():
            return cls()

        def slope(inverse: float) -> float:
            exp = np.exp(logits * inverse)
            expected = (logits * exp).sum(axis=1) / exp.sum(axis=1)
            return float((expected - of_labels).mean())

        low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
        while high - low > 1e-12 * high:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        return cls(float(np.clip(1 / high, MIN_TEMPERATURE, MAX_TEMPERATURE)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"temperature": self.temperature, "thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_dict` gave.

        Raises:
            ValueError: a field is missing, unknown or bad.
        """
        if data.keys() != {"temperature", "thresholds"}:
            raise ValueError(f"a temperature and thresholds were expected, not {sorted(data)}")
        if not isinstance(data["thresholds"], list):
            raise ValueError(f"thresholds must be a list, not {data['thresholds']!r}")
        return cls(data["temperature"], tuple(data["thresholds"]))

    def probabilities(self, logits: Floats) -> Floats:
        """Softmax of `logits` `(rows, classes)` at this temperature: float32, same shape."""
        scaled = logits / np.float32(self.temperature)
        exp = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
        probabilities: Floats = exp / exp.sum(axis=1, keepdims=True)
        return probabilities

    def at_temperature_1(self, probabilities: Floats) -> Floats:
        """What `probabilities` `(rows, classes)` of this temperature are at 1: the same shape."""
        logits = log_probabilities(probabilities) * np.float32(self.temperature)
        return Calibration().probabilities(logits)

    def labels(self, probabilities: Floats) -> NDArray[np.int8]:
        """The label of each row of `probabilities` `(rows, classes)`: int8 `(rows,)`.

        Of equal multiples the first class is chosen.
        """
        multiples = probabilities / np.array(self.thresholds, dtype=np.float32)
        labels: NDArray[np.int8] = multiples.argmax(axis=1).astype(np.int8)
        return labels
