"""The search space of a sweep, and its trials.

The trials are a random sample of the space (Bergstra and Bengio, "Random Search for Hyper-Parameter
Optimization", JMLR 13, 2012), or all of it if it is no larger than the sample. A trial depends only
on the space and its number. So a sweep keeps no state, and one that was interrupted, or is given
more trials, continues with the missing ones. An adaptive search such as Optuna's would need state.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headlines.hashing import json_digest
from lstm_model.presets import Preset

_DRAWS = 100  # for each trial, because duplicates are dropped
_DIGITS = 4  # significant digits of drawn numbers
_MAX_NAME_LENGTH = 64  # as in `headlines.storage.layout.validate_name`


@dataclass(frozen=True)
class Choice:
    """Distinct values to choose from."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """The number of values."""
        return float(len(self.values))

    def at(self, fraction: float) -> Any:
        """The value at a fraction, from 0 to below 1, of the list."""
        return self.values[int(fraction * len(self.values))]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether to sample on a logarithmic scale.
        integer: whether they are integers.
    """

    low: float
    high: float
    log: bool
    integer: bool

    @property
    def size(self) -> float:
        """The number of values."""
        return float(self.high - self.low + 1) if self.integer else math.inf

    @property
    def values(self) -> Iterable[float]:
        """All of them, if they are integers."""
        return range(int(self.low), int(self.high) + 1)

    def at(self, fraction: float) -> float:
        """The number at a fraction, from 0 to below 1, of the range."""
        low, high = self.low, self.high + (1 if self.integer else 0)
        number = low * (high / low) ** fraction if self.log else low + fraction * (high - low)
        # Rounded for readability, and because the last digits may differ between machines.
        number = math.floor(number) if self.integer else float(f"{number:.{_DIGITS}g}")
        return min(max(number, self.low), self.high)


@dataclass(frozen=True)
class Trial:
    """One point of a space.

    Attributes:
        number: counted from 1.
        values: of the searched fields.
        preset: the preset with these values; its name ends in a digest of all its values.
    """

    number: int
    values: Mapping[str, Any]
    preset: Preset

    def with_seeds(self, seeds: int) -> list[Preset]:
        """The preset with each of the seeds 0, 1 and so on."""
        return [replace(self.preset, seed=seed) for seed in range(seeds)]


@dataclass(frozen=True)
class SearchSpace:
    """What a sweep tries.

    Attributes:
        preset: the values of all fields that are not searched.
        fields: the values to choose from, by field.
        max_trials: maximum number of trials.
        seeds: trainings of each trial.
        seed: of the random sample.
        folds: of train that measure a trial; None: dev does.
    """

    preset: Preset
    fields: Mapping[str, Choice | Range]
    max_trials: int
    seeds: int
    seed: int
    folds: int | None = None

    def trials(self) -> list[Trial]:
        """The distinct trials.

        Raises:
            ValueError: a combination of values is not a valid preset.
        """
        points: dict[Preset, dict[str, Any]] = {}
        for values in self._points():
            points.setdefault(Preset.from_dict({**self.preset.to_dict(), **values}), values)
            if len(points) == self.max_trials:
                break
        return [
            Trial(number, values, replace(preset, name=_name(preset)))
            for number, (preset, values) in enumerate(points.items(), start=1)
        ]

    def _points(self) -> Iterator[dict[str, Any]]:
        """Values of the fields: all combinations if they are few, else random ones."""
        if math.prod(field.size for field in self.fields.values()) <= self.max_trials:
            for values in itertools.product(*(field.values for field in self.fields.values())):
                yield dict(zip(self.fields, values, strict=True))
            return
        for draw in range(_DRAWS * self.max_trials):
            yield {
                name: field.at(_fraction(self.seed, draw, name))
                for name, field in self.fields.items()
            }


def _fraction(seed: int, draw: int, name: str) -> float:
    """A pseudo-random number from 0 to below 1, independent of the other searched fields."""
    digest = hashlib.sha256(f"{seed}/{draw}/{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # as many bits as a float has


def _name(preset: Preset) -> str:
    """A name made from the values of a preset, without its seed."""
    digest = json_digest(replace(preset, name="", seed=0).to_dict())[:8]
    return f"{preset.name[: _MAX_NAME_LENGTH - len(digest) - 1]}-{digest}"
