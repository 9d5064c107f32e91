"""What a set of scored headlines looks like: counts by label, confidence, length, unknown words.

Profiles of chunks, batches and nights add up, and `headlines.metrics.drift` compares them. The
bins never depend on the data, or profiles of two nights could not be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS

Numbers = npt.NDArray[np.number[Any]]

# The upper bound of each bin, which belongs to it; above the last one there is none.
BINS: dict[str, tuple[float, ...]] = {
    # Probability of the label given: a label of three seldom has less than 0.4.
    "confidence": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    # Characters. Half of the corpus' headlines have 20 to 31; a twentieth each is below and above
    # the two bounds at the ends, so that no bin is empty in a thousand headlines.
    "length": (10, 15, 20, 25, 30, 35, 500),
    # Share of a headline's words that the model does not know: none in a tenth of the corpus' dev
    # headlines, a fifth to a quarter in the middle, more than half in a tenth.
    "unknown": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
}


@dataclass(frozen=True)
class Profile:
    """What a set of scored headlines looks like, as plain data.

    Attributes:
        rows: how many headlines.
        labels: how many got each label, by name.
        confidence: how many lie in each bin of the probability of their label (see `BINS`).
        length: the same of their number of characters.
        unknown: the same of the share of their words that the model does not know. A headline
            without any word counts as wholly unknown: the model reads nothing of it.
        sums: of `confidence`, `length` and `unknown` over all headlines.
    """

    rows: int
    labels: dict[str, int]
    confidence: tuple[int, ...]
    length: tuple[int, ...]
    unknown: tuple[int, ...]
    sums: dict[str, float]

    @property
    def means(self) -> dict[str, float | None]:
        """Mean `confidence`, `length` and share of `unknown` words; None of no headlines."""
        return {name: total / self.rows if self.rows else None for name, total in self.sums.items()}

    @property
    def label_shares(self) -> dict[str, float | None]:
        """Share of the headlines that got each label; None of no headlines."""
        return {
            name: count / self.rows if self.rows else None for name, count in self.labels.items()
        }

    def counts(self, name: str) -> tuple[int, ...]:
        """Headlines in each bin of `confidence`, `length`, `unknown`, or with each of `labels`."""
        if name == "labels":
            return tuple(self.labels[label] for label in LABELS)
        bins: tuple[int, ...] = getattr(self, name)
        return bins

    def __add__(self, other: "Profile") -> "Profile":
        """The profile of both sets of headlines together."""
        return Profile(
            rows=self.rows + other.rows,
            labels={name: self.labels[name] + other.labels[name] for name in LABELS},
            sums={name: self.sums[name] + other.sums[name] for name in BINS},
            **{name: _added(self.counts(name), other.counts(name)) for name in BINS},
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; it says what its bins are."""
        return {
            "rows": self.rows,
            "labels": self.labels,
            **{name: list(self.counts(name)) for name in BINS},
            "sums": self.sums,
            "bins": {name: list(bounds) for name, bounds in BINS.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Profile":
        """The profile that `to_dict` gave.

        Raises:
            ValueError: it is none, its bins are others, or its counts are not those of its rows.
        """
        try:
            if {name: tuple(bounds) for name, bounds in data["bins"].items()} != BINS:
                raise ValueError("the profile has other bins")
            profile = cls(
                rows=data["rows"],
                labels={name: data["labels"][name] for name in LABELS},
                sums={name: float(data["sums"][name]) for name in BINS},
                **{name: tuple(data[name]) for name in BINS},
            )
            for name in ("labels", *BINS):
                counts = profile.counts(name)
                whole = all(type(count) is int and count >= 0 for count in counts)
                if name in BINS and len(counts) != len(BINS[name]):
                    raise ValueError(f"{name} has {len(counts)} bins, not {len(BINS[name])}")
                if not whole or sum(counts) != profile.rows:
                    raise ValueError(f"{name} counts {list(counts)}, of {profile.rows!r} rows")
            if not all(0 <= total < float("inf") for total in profile.sums.values()):
                raise ValueError(f"the sums are {profile.sums}")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no profile ({error!r})") from error
        return profile


EMPTY_PROFILE = Profile(
    rows=0,
    labels=dict.fromkeys(LABELS, 0),
    sums=dict.fromkeys(BINS, 0.0),
    **{name: (0,) * len(bounds) for name, bounds in BINS.items()},
)


def profile_of(
    labels: npt.NDArray[np.integer[Any]], confidence: Numbers, length: Numbers, unknown: Numbers
) -> Profile:
    """The profile of scored headlines.

    Args:
        labels: the label of each, shape (rows,).
        confidence: the probability of that label, shape (rows,).
        length: characters, shape (rows,).
        unknown: share of unknown words as `unknown_shares` gives it, shape (rows,).
    """
    values = {"confidence": confidence, "length": length, "unknown": unknown}
    counted = np.bincount(labels, minlength=len(LABELS)).tolist()
    return Profile(
        rows=len(labels),
        labels=dict(zip(LABELS, counted, strict=True)),
        sums={name: float(values[name].sum(dtype=np.float64)) for name in BINS},
        **{name: _binned(values[name], bounds) for name, bounds in BINS.items()},
    )


def oov_rates(
    known: npt.NDArray[np.bool_], words: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """Share of the words of each headline that the model does not know: float64 (rows,).

    Args:
        known: whether it knows each word, of all headlines in their order, shape (words,).
        words: how many each headline has, shape (rows,). One without any is wholly unknown.
    """
    seen = np.concatenate([[0], np.cumsum(known)])
    ends = np.cumsum(words)
    known_words = seen[ends] - seen[ends - words]
    shares: npt.NDArray[np.float64] = np.ones(len(words))
    np.divide(words - known_words, words, out=shares, where=words > 0)
    return shares


def _binned(values: Numbers, bounds: tuple[float, ...]) -> tuple[int, ...]:
    # The last bin has no bound here: a probability that rounding puts above 1 belongs there too.
    place = np.searchsorted(bounds[:-1], values, side="left")
    return tuple(np.bincount(place, minlength=len(bounds)).tolist())


def _added(ours: tuple[int, ...], theirs: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(ours, theirs, strict=True))
