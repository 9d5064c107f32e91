"""Metrics by length and unknown words: every headline is in the right slice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.metrics.slices import by_length, by_unknown, wilson


@pytest.mark.parametrize(
    ("characters", "name"),
    [(1, "1–10"), (10, "1–10"), (11, "11–15"), (15, "11–15"), (16, "16–20"), (25, "21–25"),
     (30, "26–30"), (31, "over 30"), (500, "over 30")],
)  # fmt: skip
def test_headlines_are_sliced_by_length(characters: int, name: str) -> None:
    slices = by_length(np.array([characters]), np.array([2]), np.array([2]))
    assert [one["name"] for one in slices if one["rows"]] == [name]


@pytest.mark.parametrize(
    ("share", "name"),
    [(0, "none"), (1 / 30, "up to 10 %"), (0.1, "up to 10 %"), (0.11, "up to 25 %"),
     (0.25, "up to 25 %"), (0.26, "up to 50 %"), (0.51, "over 50 %"), (1, "over 50 %")],
)  # fmt: skip
def test_headlines_are_sliced_by_unknown_words(share: float, name: str) -> None:
    slices = by_unknown(np.array([share]), np.array([2]), np.array([2]))
    assert [one["name"] for one in slices if one["rows"]] == [name]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2), st.integers(0, 2))))
def test_slices_add_up(rows: list[tuple[int, int, int]]) -> None:
    lengths, labels, predictions = np.array(rows, np.int64).reshape(-1, 3).T
    slices = by_length(lengths, labels, predictions)
    assert sum(one["rows"] for one in slices) == len(rows)
    hits = sum(one["rows"] * one["accuracy"] for one in slices if one["rows"])
    assert hits == pytest.approx((labels == predictions).sum())
    for one in slices:
        if one["rows"]:
            low, high = one["interval"]
            assert 0 <= low <= one["accuracy"] + 1e-15  # rounding, where none is right
            assert one["accuracy"] <= high <= 1
            assert high - low > 0
        else:
            assert (one["accuracy"], one["interval"], one["macro_f1"]) == (None, None, None)


@pytest.mark.parametrize(
    ("hits", "low", "high"), [(8, 0.4902, 0.9433), (0, 0.0, 0.2775), (10, 0.7225, 1.0)]
)
def test_the_interval_is_wilsons(hits: int, low: float, high: float) -> None:
    assert wilson(hits, 10) == pytest.approx((low, high), abs=5e-5)
