"""The population stability index, and when a night warns or fails."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2

from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.metrics.drift import (
    MIN_ROWS,
    WARN,
    DriftFinding,
    DriftThresholds,
    chance_psi,
    drift,
    psi,
)
from headlines.metrics.profile import BINS, EMPTY_PROFILE, Profile

COUNTS = st.lists(st.integers(0, 2_000), min_size=5, max_size=5).filter(any)

# Close to the shares of the corpus' dev headlines.
SHARES = {
    "labels": [0.08, 0.62, 0.30],
    "confidence": [0.02, 0.10, 0.14, 0.14, 0.16, 0.20, 0.24],
    "length": [0.05, 0.09, 0.17, 0.23, 0.22, 0.12, 0.12],
    "unknown": [0.07, 0.09, 0.22, 0.27, 0.25, 0.10],
}


def sample(rng: np.random.Generator, rows: int, **others: list[float]) -> Profile:
    """A profile of random headlines with those shares."""
    drawn = {
        name: rng.multinomial(rows, shares).tolist() for name, shares in (SHARES | others).items()
    }
    data = EMPTY_PROFILE.to_dict() | drawn | {"rows": rows}
    data["labels"] = dict(zip(EMPTY_PROFILE.labels, drawn["labels"], strict=True))
    return Profile.from_dict(data)


def levels(findings: list[DriftFinding]) -> dict[str, str]:
    return {finding.name: finding.level for finding in findings}


def test_the_psi_follows_the_formula() -> None:
    expected = (0.5 - 0.4) * math.log(0.5 / 0.4) + (0.5 - 0.6) * math.log(0.5 / 0.6)
    assert psi([50, 50], [400, 600]) == pytest.approx(expected)


@given(ours=COUNTS, theirs=COUNTS, times=st.integers(1, 50))
def test_the_psi_is_symmetric_and_depends_on_shares(
    ours: list[int], theirs: list[int], times: int
) -> None:
    index = psi(ours, theirs)
    assert 0 <= index < math.inf
    assert index == pytest.approx(psi(theirs, ours))
    assert psi(ours, [times * count for count in ours]) == pytest.approx(0, abs=1e-12)


@given(counts=COUNTS, source=st.integers(0, 4), target=st.integers(0, 4), steps=st.integers(2, 10))
def test_the_psi_grows_as_rows_change_bins(
    counts: list[int], source: int, target: int, steps: int
) -> None:
    assume(source != target)
    moved = [list(counts) for _ in range(steps)]
    for step, one in enumerate(moved):
        part = counts[source] * step // (steps - 1)
        one[source], one[target] = counts[source] - part, counts[target] + part
    indices = [psi(one, counts) for one in moved]
    assert all(after >= before - 1e-12 for before, after in itertools.pairwise(indices))
    if counts[source]:
        assert indices[-1] > indices[0]


def test_the_psi_needs_rows_and_equal_bins() -> None:
    with pytest.raises(ValueError, match="empty"):
        psi([0, 0], [1, 2])
    with pytest.raises(ValueError, match="zip"):
        psi([1, 2], [1, 2, 3])


def test_a_night_without_drift_raises_no_alarm() -> None:
    """In 2000 nights of the minimum size, chance may exceed each of three thresholds twice."""
    rng = np.random.default_rng(0)
    alarms, indices = 0, []
    for _ in range(2_000):
        findings = drift(sample(rng, MIN_ROWS), sample(rng, 968))
        alarms += any(finding.level == "warn" for finding in findings)
        indices.append([finding.psi for finding in findings if finding.name == "length"])
    assert alarms <= 2
    assert np.mean(indices) == pytest.approx(6 * (1 / MIN_ROWS + 1 / 968), rel=0.1)


def test_chance_exceeds_the_threshold_once_in_1000() -> None:
    rng = np.random.default_rng(1)
    shares = SHARES["length"]
    bound = chance_psi(len(shares), 500, 300)
    beyond = sum(
        psi(rng.multinomial(500, shares).tolist(), rng.multinomial(300, shares).tolist()) > bound
        for _ in range(20_000)
    )
    assert 5 <= beyond <= 60  # 20 are expected; small bins give some more


@pytest.mark.parametrize("bins", sorted({len(LABELS), *map(len, BINS.values())}))
def test_chance_psi_is_close_to_the_exact_quantile(bins: int) -> None:
    exact = chi2.ppf(0.999, bins - 1) * (1 / 500 + 1 / 300)
    assert chance_psi(bins, 500, 300) == pytest.approx(exact, rel=0.025)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("labels", [0.02, 0.45, 0.53]),
        ("length", [0.60, 0.20, 0.10, 0.05, 0.03, 0.01, 0.01]),
        ("unknown", [0.0, 0.0, 0.05, 0.10, 0.25, 0.60]),
    ],
)
def test_a_drifted_night_warns_by_distribution(name: str, shares: list[float]) -> None:
    rng = np.random.default_rng(2)
    reference, night = sample(rng, 968), sample(rng, MIN_ROWS, **{name: shares})
    expected = {"labels": "ok", "length": "ok", "unknown": "ok", "confidence": "not judged"}
    assert levels(drift(night, reference)) == expected | {name: "warn"}
    assert levels(drift(night, reference, DriftThresholds(stop=0.2)))[name] == "stop"
    assert levels(drift(night, reference, DriftThresholds(warn=90, stop=99)))[name] == "ok"
    assert name in str(next(f for f in drift(night, reference) if f.level == "warn"))


def test_a_small_night_is_not_judged() -> None:
    rng = np.random.default_rng(3)
    reference = sample(rng, 968)
    other = {"length": [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}
    small = drift(sample(rng, MIN_ROWS - 1, **other), reference, DriftThresholds(stop=0.1))
    assert {finding.level for finding in small} == {"too few rows", "not judged"}
    assert levels(drift(sample(rng, MIN_ROWS, **other), reference))["length"] == "warn"


def test_no_drift_level_without_headlines_or_reference() -> None:
    some = sample(np.random.default_rng(4), 600)
    for night, reference, level in (
        (EMPTY_PROFILE, some, "too few rows"),
        (some, EMPTY_PROFILE, "no reference"),
        (EMPTY_PROFILE, EMPTY_PROFILE, "no reference"),
    ):
        findings = drift(night, reference)
        assert {(finding.psi, finding.level) for finding in findings} == {(None, level)}
        assert all(str(finding) for finding in findings)


def test_a_small_reference_raises_the_threshold() -> None:
    rng = np.random.default_rng(5)
    by_name = {
        f.name: f for f in drift(sample(rng, 600), sample(rng, 40), DriftThresholds(stop=0.1))
    }
    bound = chance_psi(len(BINS["length"]), 600, 40)
    assert by_name["length"].warn == by_name["length"].stop == bound > WARN
    assert by_name["length"].level == "ok"


@pytest.mark.parametrize("bound", [0, -0.1, math.inf, math.nan])
def test_invalid_thresholds_are_refused(bound: float) -> None:
    with pytest.raises(InputError, match="--drift-warn"):
        DriftThresholds(warn=bound)
    with pytest.raises(InputError, match="--drift-stop"):
        DriftThresholds(stop=bound)
