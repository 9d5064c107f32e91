"""`Calibration`: what is made of a trained classifier's logits: probabilities and a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.presets import CLASSES

Floats = NDArray[np.float32]
_LEAST, _MOST = 0.001, 1000  # beyond them float32 loses the probabilities


@dataclass(frozen=True)
class Calibration:
    """Two adjustments after the training, chosen on rows that were not trained on.

    Attributes:
        temperature: the logits are divided by it before the softmax; above 1 the classifier grows
            less sure of itself, and no label changes (Guo et al., "On Calibration of Modern Neural
            Networks", ICML 2017).
        thresholds: one a class. The label is the class whose probability is the largest multiple of
            its threshold: with equal ones the most probable class, and a class with a lower one is
            chosen sooner.

    Raises:
        ValueError: a number is missing, or not from 0.001 to 1000.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = (1.0,) * CLASSES

    def __post_init__(self) -> None:
        if len(self.thresholds) != CLASSES:
            raise ValueError(f"thresholds must be {CLASSES} numbers, not {self.thresholds!r}")
        for value in (self.temperature, *self.thresholds):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not _LEAST <= value <= _MOST:
                raise ValueError(
                    f"temperature and thresholds must be from {_LEAST} to {_MOST}, "
                    f"not {value!r:.40}"
                )

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

    def labels(self, probabilities: Floats) -> NDArray[np.int8]:
        """The label of each row of `probabilities` `(rows, classes)`: int8 `(rows,)`.

        Of classes that are level the first is chosen.
        """
        multiples = probabilities / np.array(self.thresholds, dtype=np.float32)
        labels: NDArray[np.int8] = multiples.argmax(axis=1).astype(np.int8)
        return labels
