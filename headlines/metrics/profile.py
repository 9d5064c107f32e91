"""Profiles of scored headlines: counts by label, confidence, length and share of unknown words.

Profiles of chunks, batches and nights add up, and `headlines.metrics.drift` compares them, so the
bins do not depend on the data.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS

Numbers = npt.NDArray[np.number[Any]]

# Upper bounds (inclusive) of the bins; there is nothing above the last one.
BINS: dict[str, tuple[float, ...]] = {
    # Probability of the predicted label: the largest of three is seldom below 0.4.
    "confidence": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    # Characters. Half of the corpus' headlines have 20 to 31; a twentieth is in each of the two
    # outer bins, so that no bin is empty in a thousand headlines.
    "length": (10, 15, 20, 25, 30, 35, 500),
    # Share of a headline's words that the model does not know: 0 in a tenth of the corpus' dev
    # headlines, a median between 0.2 and 0.25, above 0.5 in a tenth.
    "unknown": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
}


@dataclass(frozen=True)
class Profile:
    """Counts of a set of scored headlines.

    Attributes:
        rows: number of headlines.
        labels: headlines with each predicted label, by name.
        confidence: headlines in each bin of the probability of their label (see `BINS`).
        length: headlines in each bin of the number of characters.
        unknown: headlines in each bin of the share of words unknown to the model; a headline
            without words counts as all unknown.
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
        """Mean `confidence`, `length` and share of `unknown` words; None without headlines."""
        return {name: total / self.rows if self.rows else None for name, total in self.sums.items()}

    @property
    def label_shares(self) -> dict[str, float | None]:
        """Share of the headlines with each label; None without headlines."""
        return {
            name: count / self.rows if self.rows else None for name, count in self.labels.items()
        }

    def counts(self, name: str) -> tuple[int, ...]:
        """Headlines in each bin of `confidence`, `length` or `unknown`, or with each label."""
        if name == "labels":
            return tuple(self.labels[label] for label in LABELS)
        bins: tuple[int, ...] = getattr(self, name)
        return bins

    def __add__(self, other: "Profile") -> "Profile":
        """The profile of both sets of headlines."""
        return Profile(
            rows=self.rows + other.rows,
            labels={name: self.labels[name] + other.labels[name] for name in LABELS},
            sums={name: self.sums[name] + other.sums[name] for name in BINS},
            **{
                name: tuple(map(operator.add, self.counts(name), other.counts(name)))
                for name in BINS
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON, with the bounds of the bins."""
        return {
            "rows": self.rows,
            "labels": self.labels,
            **{name: list(self.counts(name)) for name in BINS},
            "sums": self.sums,
            "bins": {name: list(bounds) for name, bounds in BINS.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Profile":
        """The profile written by `to_dict`.

        Raises:
            ValueError: the data is not a profile, has other bins, or its counts do not match its
                rows.
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
                valid = all(type(count) is int and count >= 0 for count in counts)
                if name in BINS and len(counts) != len(BINS[name]):
                    raise ValueError(f"{name} has {len(counts)} bins, not {len(BINS[name])}")
                if not valid or sum(counts) != profile.rows:
                    raise ValueError(f"{name} counts {list(counts)}, of {profile.rows!r} rows")
            if not all(0 <= total < float("inf") for total in profile.sums.values()):
                raise ValueError(f"the sums are {profile.sums}")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a profile ({error!r})") from error
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
        labels: predicted label ids, shape (rows,).
        confidence: probability of the predicted label, shape (rows,).
        length: characters, shape (rows,).
        unknown: share of unknown words as from `oov_rates`, shape (rows,).
    """
    values = {"confidence": confidence, "length": length, "unknown": unknown}
    label_counts = np.bincount(labels, minlength=len(LABELS)).tolist()
    return Profile(
        rows=len(labels),
        labels=dict(zip(LABELS, label_counts, strict=True)),
        sums={name: float(values[name].sum(dtype=np.float64)) for name in BINS},
        **{name: _bin_counts(values[name], bounds) for name, bounds in BINS.items()},
    )


def oov_rates(
    known: npt.NDArray[np.bool_], words: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """Share of each headline's words that are unknown to the model: float64 (rows,).

    Args:
        known: whether each word of all headlines, in order, is known, shape (words,).
        words: number of words of each headline, shape (rows,); without words the share is 1.
    """
    known_before = np.concatenate([[0], np.cumsum(known)])
    ends = np.cumsum(words)
    known_words = known_before[ends] - known_before[ends - words]
    shares: npt.NDArray[np.float64] = np.ones(len(words))
    np.divide(words - known_words, words, out=shares, where=words > 0)
    return shares


def _bin_counts(values: Numbers, bounds: tuple[float, ...]) -> tuple[int, ...]:
    # The last bin is open here: rounding may put a probability slightly above 1.
    bins = np.searchsorted(bounds[:-1], values, side="left")
    return tuple(np.bincount(bins, minlength=len(bounds)).tolist())
