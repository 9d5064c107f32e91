"""Charts: inline elements with text, the page's colour, no external references, same bytes."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from headlines.nightly.charts import drift_chart, trend_chart
from headlines.reports.charts import confusion_chart, reliability_chart, training_curves

HISTORY = [
    {"epoch": 1, "loss": 1.0, "dev_loss": 0.8, "accuracy": 0.5, "dev_accuracy": 0.6},
    {"epoch": 2, "loss": 0.7, "dev_loss": None, "accuracy": 0.7, "dev_accuracy": 0.65},
]
BINS = [
    {"from": 0.0, "to": 0.5, "rows": 0, "confidence": None, "accuracy": None},
    {"from": 0.5, "to": 1.0, "rows": 8, "confidence": 0.75, "accuracy": 0.5},
]
CHARTS: dict[str, Callable[[], str]] = {
    "loss": lambda: training_curves(HISTORY, 2, {"validation_split": None})[0],
    "accuracy": lambda: training_curves(HISTORY, 2, {"validation_split": 0.1})[1],
    "confusion": lambda: confusion_chart([[7, 2, 0], [0, 0, 0], [1, 1, 6]], "dev"),
    "reliability": lambda: reliability_chart(BINS, "dev"),
    "course": lambda: trend_chart("Shares", ["11-01", "11-02"], [{"a": 0.2}, {"a": 0.3}], {}),
    "drift": lambda: drift_chart([("length", 0.31, 0.1, None), ("classes", 0.0, 0.1, 0.25)]),
}


@pytest.fixture(params=CHARTS, name="chart")
def _chart(request: pytest.FixtureRequest) -> str:
    return CHARTS[request.param]()


def texts(chart: str) -> list[str]:
    """All texts in a chart, in order."""
    return ["".join(text.itertext()) for text in ElementTree.fromstring(chart).iter("text")]


def test_a_chart_is_one_element_of_a_page(chart: str) -> None:
    root = ElementTree.fromstring(chart)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert texts(chart)
    assert "currentColor" in chart
    assert "#010203" not in chart
    assert "http" not in chart
    assert "font-family" not in chart
    assert not list(root.iter("style"))  # it would apply to the whole page


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_data_give_the_same_bytes(name: str) -> None:
    assert CHARTS[name]() == CHARTS[name]()


def test_every_reference_in_a_chart_has_a_target(chart: str) -> None:
    named = set(re.findall(r'id="([^"]+)"', chart))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', chart)) == named


def test_ids_are_unique_across_charts() -> None:
    charts = [draw() for draw in CHARTS.values()]
    charts.append(confusion_chart([[7, 2, 0], [0, 0, 0], [1, 1, 6]], "test"))
    ids = [name for chart in charts for name in set(re.findall(r'id="([^"]+)"', chart))]
    assert len(ids) == len(set(ids))


def test_the_confusion_matrix_has_counts_and_shares() -> None:
    chart = CHARTS["confusion"]()
    shown = texts(chart)
    assert [text for text in shown if text in {"7", "2", "6"}] == ["7", "2", "6"]
    assert {"78%", "22%", "12%", "75%"} <= set(shown)
    assert shown.count("0%") == 4  # one of a class with headlines, three of a class without
    assert "7 of 9 positive headlines were predicted correctly" in chart


def test_the_held_out_rows_are_named() -> None:
    assert {"train", "dev", "kept"} <= set(texts(CHARTS["loss"]()))
    assert {"train", "10% of train"} <= set(texts(CHARTS["accuracy"]()))


def test_drift_thresholds_are_marked() -> None:
    assert {"warns", "stops", "length  0.310"} <= set(texts(CHARTS["drift"]()))
    assert "stops" not in texts(drift_chart([("length", 0.31, 0.1, None)]))
