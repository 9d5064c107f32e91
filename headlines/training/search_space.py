"""The space that a sweep searches, and its trials.

The trials are a random sample of the space (Bergstra and Bengio, "Random Search for Hyper-Parameter
Optimization", JMLR 13, 2012), or all of it where it is no larger than the sample. Each of them is a
function of the space and its number alone: it needs to know nothing of the results of others, so
there is no state to keep beside the results, and a sweep that was killed, or is given more trials,
goes on with those that are missing. A search that learns from its trials, as Optuna does, would
need a state of its own.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headlines.hashing import json_digest
from lstm_model.presets import Preset

_DRAWS = 100  # for each trial that is wanted: equal ones are dropped
_DIGITS = 4  # significant ones of a number that is drawn
_LONGEST_NAME = 64  # as `headlines.storage.layout.validate_name` has it


@dataclass(frozen=True)
class Choice:
    """Values to choose from, no two of them equal."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many there are."""
        return float(len(self.values))

    def at(self, share: float) -> Any:
        """The value at a share, from 0 to below 1, of all."""
        return self.values[int(share * len(self.values))]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both among them.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether all factors, not all differences, are equally likely.
        whole: whether they are whole numbers.
    """

    low: float
    high: float
    log: bool
    whole: bool

    @property
    def size(self) -> float:
        """How many there are."""
        return float(self.high - self.low + 1) if self.whole else math.inf

    @property
    def values(self) -> Iterable[float]:
        """All of them, where they are whole."""
        return range(int(self.low), int(self.high) + 1)

    def at(self, share: float) -> float:
        """The number at a share, from 0 to below 1, of the range."""
        low, high = self.low, self.high + (1 if self.whole else 0)
        drawn = low * (high / low) ** share if self.log else low + share * (high - low)
        # Few digits: for people to read, and the last ones may differ from machine to machine.
        drawn = math.floor(drawn) if self.whole else float(f"{drawn:.{_DIGITS}g}")
        return min(max(drawn, self.low), self.high)


@dataclass(frozen=True)
class Trial:
    """One point of a space.

    Attributes:
        number: counted from 1.
        values: of the fields that are searched.
        preset: with these values; its name ends in a digest of all its values.
    """

    number: int
    values: Mapping[str, Any]
    preset: Preset

    def seeded(self, seeds: int) -> list[Preset]:
        """The preset with each of the seeds 0, 1 and so on."""
        return [replace(self.preset, seed=seed) for seed in range(seeds)]


@dataclass(frozen=True)
class Space:
    """What a sweep tries.

    Attributes:
        preset: gives the fields that are not searched.
        fields: what to choose from, by field.
        most: trials at the most.
        seeds: trainings of each trial.
        seed: decides the sample.
    """

    preset: Preset
    fields: Mapping[str, Choice | Range]
    most: int
    seeds: int
    seed: int

    def trials(self) -> list[Trial]:
        """The trials, no two of them equal.

        Raises:
            ValueError: the preset does not let values of several fields stand together.
        """
        found: dict[Preset, dict[str, Any]] = {}
        for values in self._points():
            found.setdefault(Preset.from_dict({**self.preset.to_dict(), **values}), values)
            if len(found) == self.most:
                break
        return [
            Trial(number, values, replace(preset, name=_name(preset)))
            for number, (preset, values) in enumerate(found.items(), start=1)
        ]

    def _points(self) -> Iterator[dict[str, Any]]:
        """Values of the fields: all combinations if they are few, else drawn ones."""
        if math.prod(field.size for field in self.fields.values()) <= self.most:
            for values in itertools.product(*(field.values for field in self.fields.values())):
                yield dict(zip(self.fields, values, strict=True))
            return
        for draw in range(_DRAWS * self.most):
            yield {
                name: field.at(_share(self.seed, draw, name)) for name, field in self.fields.items()
            }


def _share(seed: int, draw: int, name: str) -> float:
    """A number from 0 to below 1 that the three decide, whatever other fields are searched."""
    digest = hashlib.sha256(f"{seed}/{draw}/{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # as many bits as a float has


def _name(preset: Preset) -> str:
    """A name for the values of a preset; the seed is none of them."""
    digest = json_digest(replace(preset, name="", seed=0).to_dict())[:8]
    return f"{preset.name[: _LONGEST_NAME - len(digest) - 1]}-{digest}"
