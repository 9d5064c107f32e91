"""Drift: do scored headlines still look like those that the model was evaluated on?

The population stability index (PSI) of two distributions over the same bins is the sum over the
bins of (p - q) ln(p / q); it is symmetric, and 0 for equal distributions (N. Siddiqi, "Credit Risk
Scorecards", Wiley 2006, whose rule of thumb is: below 0.1 no notable change, from 0.25 a large
one).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from headlines.errors import InputError
from headlines.metrics.profile import Profile

WARN = 0.1  # Siddiqi's bound of a notable change

# Without drift, the PSI is about (bins - 1)(1/n + 1/m): with the thousand dev headlines of the
# corpus and 500 of a night, 0.018 over 7 bins, and above 0.07 in one night of a thousand. So from
# 500 rows, 0.1 separates drift from chance; with 200, it would not.
MIN_ROWS = 500

_JUDGED = ("labels", "length", "unknown")
# Confidence mostly follows from the others: an alarm of its own would report the same twice.
_SHOWN_ONLY = ("confidence",)
_FALSE_ALARM_RATE = 0.001  # share of nights without drift in which chance may exceed the bound


@dataclass(frozen=True)
class DriftThresholds:
    """The PSI from which a night warns or fails.

    Attributes:
        warn: the PSI from which a warning is given.
        stop: the PSI from which the night fails; None: never.
        min_rows: nights with fewer headlines are not judged.

    Raises:
        InputError: a bound is not above 0.
    """

    warn: float = WARN
    stop: float | None = None
    min_rows: int = MIN_ROWS

    def __post_init__(self) -> None:
        for name, bound in (("warn", self.warn), ("stop", self.stop)):
            if bound is not None and not 0 < bound < math.inf:
                raise InputError(
                    f"{bound} is not a valid PSI", f"--drift-{name}", "give a number above 0"
                )


@dataclass(frozen=True)
class DriftFinding:
    """The drift of one distribution of a night.

    Attributes:
        name: `labels`, `length`, `unknown` or `confidence`; see `headlines.metrics.profile.BINS`.
        psi: population stability index; None where there are no headlines to compare.
        warn: the PSI from which a warning is given: the threshold, or what chance may reach with
            so few headlines, whichever is larger.
        stop: the PSI from which the night fails, likewise; None without a threshold.
        level: `ok`, `warn`, `stop`, `too few rows`, `no reference` (no headlines in it), or `not
            judged` (`confidence`, which raises no alarm).
    """

    name: str
    psi: float | None
    warn: float
    stop: float | None
    level: str

    def __str__(self) -> str:
        index = "–" if self.psi is None else f"{self.psi:.3f}"
        bounds = f"warn from {self.warn:.2f}"
        if self.stop is not None:
            bounds += f", stop from {self.stop:.2f}"
        name = "unknown words" if self.name == "unknown" else self.name
        return f"drift of {name}: PSI {index} ({bounds}): {self.level}"


def drift(
    profile: Profile, reference: Profile, limits: DriftThresholds = DriftThresholds()
) -> list[DriftFinding]:
    """The drift of scored headlines, one finding for each distribution.

    The reference are headlines that the model was evaluated on, but not trained on.
    """
    return [_finding(name, profile, reference, limits) for name in (*_JUDGED, *_SHOWN_ONLY)]


def psi(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Population stability index of two samples, given their counts by bin.

    Each bin counts as at least half a row of the smaller sample: an empty bin would make the index
    infinite, and a sample cannot distinguish a share much smaller than one row from none.

    Raises:
        ValueError: a sample is empty, or the numbers of bins differ.
    """
    n, m = sum(ours), sum(theirs)
    if not n or not m:
        raise ValueError("the PSI of an empty sample is undefined")
    min_share = 0.5 / min(n, m)
    shares = (
        (max(count / n, min_share), max(other / m, min_share))
        for count, other in zip(ours, theirs, strict=True)
    )
    return sum((p - q) * math.log(p / q) for p, q in shares)


def chance_psi(bins: int, n: int, m: int) -> float:
    """The PSI that two samples of one population, of `n` and `m` rows, exceed once in 1000.

    That quantile of the chi-squared distribution with `bins - 1` degrees of freedom times
    1/n + 1/m, which holds where bins are not nearly empty; by the approximation of Wilson and
    Hilferty (1931), which is 2.3 % too high for 3 bins and 1 % for 7.
    """
    degrees = bins - 1
    variance = 2 / (9 * degrees)
    z = NormalDist().inv_cdf(1 - _FALSE_ALARM_RATE)
    quantile = degrees * (1 - variance + z * math.sqrt(variance)) ** 3
    return quantile * (1 / n + 1 / m)


def _finding(
    name: str, profile: Profile, reference: Profile, limits: DriftThresholds
) -> DriftFinding:
    ours, theirs = profile.counts(name), reference.counts(name)
    if not reference.rows:
        return DriftFinding(name, None, limits.warn, limits.stop, "no reference")
    if not profile.rows:
        return DriftFinding(name, None, limits.warn, limits.stop, "too few rows")
    index = psi(ours, theirs)
    chance = chance_psi(len(ours), profile.rows, reference.rows)
    warn = max(limits.warn, chance)
    stop = None if limits.stop is None else max(limits.stop, chance)
    if name in _SHOWN_ONLY:
        level = "not judged"
    elif profile.rows < limits.min_rows:
        level = "too few rows"
    elif stop is not None and index >= stop:
        level = "stop"
    else:
        level = "warn" if index >= warn else "ok"
    return DriftFinding(name, index, warn, stop, level)
