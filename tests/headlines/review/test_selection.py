"""Which headlines a review asks about."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.readers.titles import record_id
from headlines.review.near_duplicates import NearDuplicates
from headlines.review.selection import BY_LOT, ReviewSize, select

HAN = [chr(0x4E00 + number) for number in range(2000)]
NOTHING_BEFORE = pd.DataFrame({"record_id": pd.Series([], dtype="str"), "drawn": []})


def predictions(rows: int, seed: int = 0) -> pd.DataFrame:
    """Headlines that do not resemble each other, most of them predicted neutral."""
    rng = np.random.default_rng(seed)
    titles = ["".join(rng.choice(HAN, 12)) for _ in range(rows)]
    p = rng.dirichlet((2, 4, 2), rows)
    return pd.DataFrame(
        {
            "record_id": [record_id(title) for title in titles],
            "title": titles,
            "label": p.argmax(axis=1),
            "p_positive": p[:, 0],
            "p_neutral": p[:, 1],
            "p_negative": p[:, 2],
        }
    )


def margins(rows: pd.DataFrame) -> "pd.Series[float]":
    ordered = np.sort(rows[["p_positive", "p_neutral", "p_negative"]].to_numpy(), axis=1)
    return pd.Series(ordered[:, -1] - ordered[:, -2], rows.index)


def test_the_chosen_are_the_least_sure_of_each_class() -> None:
    rows = predictions(900)
    chosen = select(rows, NOTHING_BEFORE, ReviewSize(30, lot=0), None)
    assert chosen["label"].value_counts().to_dict() == {0: 10, 1: 10, 2: 10}
    for label, group in chosen.groupby("label"):
        least = margins(rows[rows["label"] == label]).nsmallest(10).index
        assert {*group["title"]} == {*rows["title"][least]}


def test_the_lot_is_drawn_from_all_headlines_alike() -> None:
    rows = predictions(40)
    drawn = pd.concat(
        select(rows, NOTHING_BEFORE, ReviewSize(10, 1, seed), None) for seed in range(100)
    )
    lot = drawn[drawn["drawn"] == BY_LOT]["title"].value_counts()
    # Each of 40 headlines is drawn 25 times of 100 on average, with a standard deviation of 4.
    assert len(lot) == 40
    assert lot.between(8, 42).all()


def test_a_headline_chosen_before_may_still_be_drawn_by_lot() -> None:
    rows = predictions(30)
    first = select(rows, NOTHING_BEFORE, ReviewSize(20, lot=0.25), None)
    second = select(rows, first, ReviewSize(60, lot=0.5), None)
    by_lot = first["title"][first["drawn"] == BY_LOT]
    assert {*second["title"][second["drawn"] == BY_LOT]} == {*rows["title"]} - {*by_lot}


@settings(max_examples=25)
@given(st.integers(0, 60), st.integers(1, 40), st.floats(0, 1), st.integers(0, 5))
def test_no_headline_is_chosen_twice(rows: int, n: int, lot: float, seed: int) -> None:
    population, size = predictions(rows), ReviewSize(n, lot, seed)
    first = select(population, NOTHING_BEFORE, size, None)
    second = select(population, first, size, None)
    for selected in (first, second):
        assert selected["record_id"].is_unique
        assert len(selected) <= n
        assert (selected["drawn"] == BY_LOT).sum() <= size.by_lot
    chosen = second["record_id"][second["drawn"] != BY_LOT]
    assert not chosen.isin(first["record_id"]).any()
    again = select(population, first, ReviewSize(n, lot, seed, again=True), None)
    pd.testing.assert_frame_equal(again, first)


def test_near_duplicates_are_not_chosen() -> None:
    rows = predictions(60)
    copies = rows.assign(title=rows["title"] + "！独家")
    copies["record_id"] = [record_id(title) for title in copies["title"]]
    both = pd.concat([rows, copies], ignore_index=True)
    chosen = select(both, NOTHING_BEFORE, ReviewSize(100, lot=0.2), None)
    by_choice = chosen[chosen["drawn"] != BY_LOT]["title"].str.removesuffix("！独家")
    by_lot = chosen[chosen["drawn"] == BY_LOT]["title"].str.removesuffix("！独家")
    assert by_choice.is_unique
    assert not by_choice.isin(by_lot).any()
    assert len({*by_choice, *by_lot}) == 60


def test_a_headline_that_models_dispute_is_chosen() -> None:
    rows = predictions(500)
    disputed = {*rows["title"][margins(rows).nlargest(3).index]}

    def relabel(titles: list[str]) -> npt.NDArray[np.int8]:
        labels = rows.set_index("title")["label"]
        changed = [(labels[title] + (title in disputed)) % 3 for title in titles]
        return np.array(changed, np.int8)

    chosen = select(rows, NOTHING_BEFORE, ReviewSize(60, lot=0), relabel)
    assert {*chosen["title"][chosen["drawn"] == "disagreement"]} == disputed


@pytest.mark.parametrize("size", [{"headlines": 0}, {"headlines": 10_001}, {"lot": 1.5}])
def test_an_impossible_size_is_refused(size: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ReviewSize(**size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "is_new"),
    [
        ("中国队３比０战胜韩国队", False),
        ("中国队3比0战胜韩国队，夺冠", False),
        ("韩国队赛后表示尊重结果", True),
        ("中", True),
    ],
)
def test_a_title_that_says_nearly_the_same_is_known(title: str, is_new: bool) -> None:
    titles = NearDuplicates()
    assert titles.add("中国队3比0战胜韩国队")
    assert titles.add(title) is is_new
    assert not titles.add(title)
