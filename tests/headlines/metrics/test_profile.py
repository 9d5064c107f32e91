"""Profiles count every headline once, add up, and survive JSON."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.metrics.profile import BINS, EMPTY_PROFILE, Profile, oov_rates, profile_of

HEADLINES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0, 1, width=32),
        st.integers(1, 500),
        st.floats(0, 1),
    ),
    max_size=40,
)


def profile(headlines: list[tuple[int, float, int, float]]) -> Profile:
    labels, confidence, length, unknown = (
        np.array([headline[place] for headline in headlines], dtype)
        for place, dtype in enumerate((np.int8, np.float32, np.int64, np.float64))
    )
    return profile_of(labels, confidence, length, unknown)


def test_bin_bounds_are_inclusive() -> None:
    found = profile([(2, 0.5, 10, 0.0), (1, 0.500001, 11, 0.2), (1, 1.0, 500, 1.0)])
    assert found.labels == {"positive": 0, "neutral": 2, "negative": 1}
    assert found.confidence == (0, 1, 1, 0, 0, 0, 1)
    assert found.length == (1, 1, 0, 0, 0, 0, 1)
    assert found.unknown == (1, 0, 1, 0, 0, 1)
    assert found.means == pytest.approx({"confidence": 2 / 3, "length": 521 / 3, "unknown": 0.4})
    assert found.label_shares == pytest.approx({"positive": 0, "neutral": 2 / 3, "negative": 1 / 3})


def test_a_probability_slightly_above_1_is_counted() -> None:
    assert profile([(0, 1.0000002, 5, 0.0)]).confidence == (0, 0, 0, 0, 0, 0, 1)


@given(ours=HEADLINES, theirs=HEADLINES)
def test_profiles_add_up(
    ours: list[tuple[int, float, int, float]], theirs: list[tuple[int, float, int, float]]
) -> None:
    whole, added = profile(ours + theirs), profile(ours) + profile(theirs)
    for name in ("labels", *BINS):
        assert added.counts(name) == whole.counts(name)
        assert sum(whole.counts(name)) == whole.rows == len(ours) + len(theirs)
    assert added.sums == pytest.approx(whole.sums)
    assert whole + EMPTY_PROFILE == whole


@given(headlines=HEADLINES)
def test_a_profile_is_read_back_from_json(headlines: list[tuple[int, float, int, float]]) -> None:
    written = profile(headlines)
    assert Profile.from_dict(json.loads(json.dumps(written.to_dict(), allow_nan=False))) == written


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 3},
        {"rows": "2"},
        {"labels": {"positive": 1, "neutral": 1}},
        {"labels": {"positive": 3, "neutral": -1, "negative": 0}},
        {"length": [2, 0]},
        {"unknown": None},
        {"sums": {"confidence": 1.0, "length": float("nan"), "unknown": 0.0}},
        {"sums": {"confidence": "much", "length": 1.0, "unknown": 0.0}},
        {"bins": {**BINS, "length": [10, 20, 500]}},
        {"bins": None},
    ],
)
def test_invalid_profiles_are_refused(change: dict[str, Any]) -> None:
    data = profile([(0, 0.5, 10, 0.0), (1, 0.9, 20, 0.5)]).to_dict()
    assert Profile.from_dict(data).rows == 2
    with pytest.raises(ValueError, match=r"."):
        Profile.from_dict({**data, **change})
    with pytest.raises(ValueError, match="not a profile"):
        Profile.from_dict({name: data[name] for name in data if name not in change})


def test_the_mean_without_headlines_is_none() -> None:
    assert set(EMPTY_PROFILE.means.values()) | set(EMPTY_PROFILE.label_shares.values()) == {None}


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=20))
def test_oov_rates_by_row(rows: list[list[bool]]) -> None:
    known = np.array([word for row in rows for word in row], dtype=bool)
    words = np.array([len(row) for row in rows], dtype=np.int64)
    expected = [row.count(False) / len(row) if row else 1.0 for row in rows]
    assert oov_rates(known, words).tolist() == expected
