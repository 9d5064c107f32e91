"""Drift: whether scored headlines still look like those that the model was evaluated on.

The population stability index (PSI) of two distributions over the same bins is the sum over the
bins of (p - q) ln(p / q): 0 where they are the same, and the same whichever is called the first
(N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, whose rule of thumb is: below 0.1 no change to
speak of, from 0.25 on a large one).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from headlines.errors import InputError
from headlines.metrics.profile import Profile

WARN = 0.1  # Siddiqi's bound of what is worth a look

# Of headlines that did not drift, the PSI is about (bins - 1)(1/n + 1/m): with the thousand dev
# headlines of the corpus and 500 of a night, 0.018 over 7 bins, and above 0.07 in one night of a
# thousand. So from 500 on, 0.1 tells drift from chance; with 200, it would not.
LEAST_ROWS = 500

_JUDGED = ("labels", "length", "unknown")
# It follows from the others, mostly: an alarm of its own would tell the same twice.
_SHOWN = ("confidence",)
_FALSE_ALARMS = 0.001  # share of undrifted nights in which chance may go beyond the bound


@dataclass(frozen=True)
class DriftThresholds:
    """From which PSI on a night is told of, or fails.

    Attributes:
        warn: from here on, it is worth a look.
        stop: from here on, the night fails; None: it never does.
        least_rows: a night with fewer headlines is not judged.

    Raises:
        InputError: a bound is not above 0.
    """

    warn: float = WARN
    stop: float | None = None
    least_rows: int = LEAST_ROWS

    def __post_init__(self) -> None:
        for name, bound in (("warn", self.warn), ("stop", self.stop)):
            if bound is not None and not 0 < bound < math.inf:
                raise InputError(
                    f"{bound} is no bound of drift", f"--drift-{name}", "give a number above 0"
                )


@dataclass(frozen=True)
class Finding:
    """How far one distribution of a night is from that of the reference.

    Attributes:
        name: `labels`, `length`, `unknown` or `confidence`; see `headlines.metrics.profile.BINS`.
        psi: population stability index; None where there are no headlines to compare.
        warn: the bound from which it is worth a look: the one asked for, or what chance may reach
            with so few headlines, if that is more.
        stop: the bound from which the night fails, likewise; None where none was asked for.
        level: `ok`, `warn`, `stop`, `too few rows`, `no reference` (it has no headlines), or `not
            judged` (`confidence`: it is shown, and no alarm is made of it).
    """

    name: str
    psi: float | None
    warn: float
    stop: float | None
    level: str

    def __str__(self) -> str:
        told = "–" if self.psi is None else f"{self.psi:.3f}"
        bounds = f"warn from {self.warn:.2f}"
        if self.stop is not None:
            bounds += f", stop from {self.stop:.2f}"
        what = "unknown words" if self.name == "unknown" else self.name
        return f"drift of {what}: PSI {told} ({bounds}): {self.level}"


def drift(
    profile: Profile, reference: Profile, limits: DriftThresholds = DriftThresholds()
) -> list[Finding]:
    """How far the headlines of a night are from the reference, one finding a distribution.

    Args:
        profile: of the headlines that were scored.
        reference: of headlines that the model was evaluated on, and not trained.
        limits: what is worth a warning, or stops.
    """
    return [_finding(name, profile, reference, limits) for name in (*_JUDGED, *_SHOWN)]


def psi(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Population stability index of two samples, by how many of each lie in every bin.

    A bin counts as at least half a row of the smaller sample, in both: an empty one would make the
    index infinite, and a sample cannot tell a share much smaller than one row from none.

    Raises:
        ValueError: a sample is empty, or they have not the same bins.
    """
    n, m = sum(ours), sum(theirs)
    if not n or not m:
        raise ValueError("there is no index of an empty sample")
    least = 0.5 / min(n, m)
    shares = (
        (max(one / n, least), max(other / m, least))
        for one, other in zip(ours, theirs, strict=True)
    )
    return sum((p - q) * math.log(p / q) for p, q in shares)


def chance_psi(bins: int, n: int, m: int) -> float:
    """The PSI that two samples of one population, of `n` and `m` rows, go beyond once in 1000.

    It is that quantile of a chi-squared distribution of `bins - 1` degrees of freedom times
    1/n + 1/m, which holds where bins are not nearly empty; by the approximation of Wilson and
    Hilferty (1931), 2.3 % too high for 3 bins and 1 % for 7.
    """
    freedom = bins - 1
    part = 2 / (9 * freedom)
    quantile = freedom * (1 - part + NormalDist().inv_cdf(1 - _FALSE_ALARMS) * math.sqrt(part)) ** 3
    return quantile * (1 / n + 1 / m)


def _finding(name: str, profile: Profile, reference: Profile, limits: DriftThresholds) -> Finding:
    ours, theirs = profile.counts(name), reference.counts(name)
    if not reference.rows:
        return Finding(name, None, limits.warn, limits.stop, "no reference")
    if not profile.rows:
        return Finding(name, None, limits.warn, limits.stop, "too few rows")
    index = psi(ours, theirs)
    chance = chance_psi(len(ours), profile.rows, reference.rows)
    warn = max(limits.warn, chance)
    stop = None if limits.stop is None else max(limits.stop, chance)
    if name in _SHOWN:
        level = "not judged"
    elif profile.rows < limits.least_rows:
        level = "too few rows"
    elif stop is not None and index >= stop:
        level = "stop"
    else:
        level = "warn" if index >= warn else "ok"
    return Finding(name, index, warn, stop, level)
