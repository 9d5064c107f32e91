"""Behaviour checks: which models pass them, and what is reported for the others."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.evaluation.behaviour import CHECKS, BehaviourCheck, Classify, check_behaviour
from headlines.readers.titles import normalised

Answer = tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]
POSITIVE, NEUTRAL, NEGATIVE = range(3)
TITLES = [f"某地 第{number}条 路线 (Line {number})：通车" for number in range(40)]


def classifier(p_of: Callable[[str], Sequence[float]]) -> Classify:
    """A model with the probabilities that `p_of` returns for a title."""

    def classify(titles: Sequence[str], _: npt.NDArray[np.intp]) -> Answer:
        probabilities = np.array([p_of(title) for title in titles], np.float32).reshape(-1, 3)
        return probabilities, probabilities.argmax(axis=1).astype(np.int8)

    return classify


def all_known(words: str) -> float:
    """The share of known words for a model that knows all."""
    return 1.0


def outcome(name: str, found: dict[str, Any]) -> dict[str, Any]:
    [one] = [check for check in found["checks"] if check["name"] == name]
    return one


def by_words(title: str) -> tuple[float, float, float]:
    """Only looks for positive and negative words."""
    good = sum(word in title for word in ("获", "冠", "成功"))
    bad = sum(word in title for word in ("亡", "难", "刑", "抓", "伤"))
    p = np.array([0.2 + 0.1 * good, 0.5, 0.2 + 0.1 * bad])
    return tuple(p / p.sum())


def test_a_model_that_reads_words_passes_all() -> None:
    found = check_behaviour(TITLES, classifier(by_words), all_known)
    assert found["passed"]
    assert {check["name"]: check["share"] for check in found["checks"]} == {
        check.name: 1.0 for check in CHECKS
    }
    assert all(check["judged"] and not check["examples"] for check in found["checks"])
    assert outcome("adding 遇难", found)["mean_change"] == pytest.approx(0.3 - 0.2 / 0.9)


def test_a_model_that_counts_characters_fails_with_its_examples() -> None:
    def by_length(title: str) -> tuple[float, float, float]:
        return (0.9, 0.1, 0.0) if len(title) % 2 else (0.2, 0.8, 0.0)

    titles = [title + "了" * (place % 2) for place, title in enumerate(TITLES)]
    found = check_behaviour(titles, classifier(by_length), all_known)
    assert not found["passed"]
    stop = outcome("a full stop 。 at the end", found)
    assert (stop["rows"], stop["share"], stop["passed"]) == (40, 0.0, False)
    assert stop["mean_change"] == pytest.approx(-0.7)
    assert len(stop["examples"]) == 3
    for example in stop["examples"]:
        assert example["changed"] == example["title"] + "。"
        odd = len(example["title"]) % 2
        assert example["label_before"] == ("positive" if odd else "neutral")
        assert example["label_after"] == ("neutral" if odd else "positive")
        assert example["before"] == pytest.approx(0.9 if odd else 0.8)
        assert example["after"] == pytest.approx(0.2 if odd else 0.1)
    # The length is unchanged, so the model does not see it.
    assert outcome("ASCII in full-width form", found)["share"] == 1.0
    assert outcome("quotation marks “ ” around it", found)["share"] == 1.0


def test_a_wrong_direction_fails_with_the_worst_example() -> None:
    def backwards(title: str) -> tuple[float, float, float]:
        if "遇难" not in title:
            return (0.2, 0.4, 0.4)
        return (0.2, 0.75, 0.05) if "第7条" in title else (0.2, 0.5, 0.3)

    found = check_behaviour(TITLES, classifier(backwards), all_known)
    death = outcome("adding 遇难", found)
    assert (death["kind"], death["share"], death["passed"]) == ("direction", 0.0, False)
    assert death["mean_change"] == pytest.approx((39 * -0.1 - 0.35) / 40)
    assert death["examples"][0] == {
        "title": TITLES[7],
        "changed": f"{TITLES[7]} 遇难",
        "before": pytest.approx(0.4),
        "after": pytest.approx(0.05),
        "label_before": "neutral",
        "label_after": "neutral",
    }
    assert [example["title"] for example in death["examples"][1:]] == TITLES[:2]


def test_an_unchanged_probability_has_not_risen() -> None:
    found = check_behaviour(TITLES, classifier(lambda title: (0.3, 0.4, 0.3)), all_known)
    kinds = {check["name"]: (check["kind"], check["share"]) for check in found["checks"]}
    assert set(kinds.values()) == {("invariance", 1.0), ("direction", 0.0)}


def test_certain_headlines_need_not_rise() -> None:
    titles = [*TITLES, *(f"{title}了" for title in TITLES)]

    def sure_of_half(title: str) -> tuple[float, float, float]:
        return (0.0, 0.05, 0.95) if "了" in title else (0.2, 0.5, 0.3 + 0.1 * ("亡" in title))

    death = outcome("adding 车祸身亡", check_behaviour(titles, classifier(sure_of_half), all_known))
    assert (death["rows"], death["share"]) == (40, 1.0)


def test_labels_are_those_of_the_model() -> None:
    # Labels by thresholds: never the most probable class.
    def classify(titles: Sequence[str], _: npt.NDArray[np.intp]) -> Answer:
        probabilities = np.tile(np.array([0.2, 0.5, 0.3], np.float32), (len(titles), 1))
        labels = [NEGATIVE if title.endswith("。") else POSITIVE for title in titles]
        return probabilities, np.array(labels, np.int8)

    found = check_behaviour(TITLES, classify, all_known)
    assert outcome("an exclamation mark ！ at the end", found)["share"] == 1.0
    stop = outcome("a full stop 。 at the end", found)
    assert stop["share"] == 0.0
    assert stop["examples"][0]["before"] == pytest.approx(0.2)


def test_a_share_at_the_floor_passes() -> None:
    check = BehaviourCheck("reversed", "It stays.", lambda title: title[::-1], floor=0.9)
    titles = [f"{number:02}頭" for number in range(40)]

    def first_ones_turn(turned: int) -> dict[str, Any]:
        turning = {title[::-1] for title in titles[:turned]}
        classify = classifier(lambda title: (0, 0, 1) if title in turning else (0, 1, 0))
        return check_behaviour(titles, classify, all_known, [check])

    assert first_ones_turn(4)["passed"]
    assert not first_ones_turn(5)["passed"]


def test_too_few_headlines_are_not_judged() -> None:
    wrong = classifier(lambda title: (0, 0, 1) if title.endswith("。") else (0, 1, 0))
    stop = outcome("a full stop 。 at the end", check_behaviour(TITLES[:29], wrong, all_known))
    assert (stop["rows"], stop["share"], stop["judged"], stop["passed"]) == (29, 0.0, False, True)
    assert len(stop["examples"]) == 3
    assert not check_behaviour(TITLES[:30], wrong, all_known)["passed"]


@pytest.mark.parametrize("titles", [[], ["路线图。"]])
def test_a_check_that_applies_to_no_headline_is_not_judged(titles: list[str]) -> None:
    found = check_behaviour(titles, classifier(by_words), all_known)
    stop = outcome("a full stop 。 at the end", found)
    assert (stop["rows"], stop["share"], stop["mean_change"], stop["judged"]) == (
        (0, None, None, False)
    )
    assert found["passed"]
    json.dumps(found, allow_nan=False)


def test_checks_with_unknown_words_are_reported() -> None:
    shares = {"获奖": 0.0, "车祸身亡": 0.5}
    found = check_behaviour(TITLES, classifier(by_words), lambda words: shares.get(words, 1.0))
    assert outcome("adding 获奖", found)["known"] == 0.0
    assert outcome("adding 车祸身亡", found)["known"] == 0.5
    assert outcome("adding 遇难", found)["known"] == 1.0
    assert outcome("the source _搜狐网 at the end", found)["known"] is None
    assert found["passed"]  # it is reported but does not fail
    nothing = check_behaviour([], classifier(by_words), lambda words: shares.get(words, 1.0))
    assert outcome("adding 获奖", nothing)["known"] == 0.0


def changed(name: str, title: str) -> str:
    [check] = [check for check in CHECKS if check.name == name]
    return check.change(title)


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("a full stop 。 at the end", "通车", "通车。"),
        ("a full stop 。 at the end", "通车？", "通车？"),
        ("an exclamation mark ！ at the end", "通车2", "通车2！"),
        ("quotation marks “ ” around it", "通车", "“通车”"),
        ("quotation marks “ ” around it", "他说“好”", "他说“好”"),
        ("doubled spaces", "某地 通车", "某地  通车"),
        ("ASCII in full-width form", "A1!路 线", "Ａ１！路 线"),
        ("full-width forms as ASCII", "Ａ１！路。", "A1!路。"),
        ("the source _搜狐网 at the end", "通车", "通车_搜狐网"),
        ("the source _搜狐网 at the end", "通车_搜狐网", "通车_搜狐网"),
        ("adding 遇难", "三人登山", "三人登山 遇难"),
        ("adding 遇难", "三人遇难 遇难", "三人遇难 遇难"),
    ],
)
def test_changed_titles_of_each_check(name: str, title: str, expected: str) -> None:
    assert changed(name, title) == expected


@given(st.text())
def test_width_and_spaces_do_not_change_the_record_id(title: str) -> None:
    for name in ("doubled spaces", "ASCII in full-width form", "full-width forms as ASCII"):
        assert normalised(changed(name, title)) == normalised(title)


def test_check_names_are_unique_and_each_check_can_fail() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(0.5 < check.floor < 1 for check in CHECKS)
