"""What a night does with what it found: which batches make it fail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headlines.errors import BatchesStopped
from headlines.nightly.history import NightSummary, recent_nights, save_night
from headlines.nightly.night import alerts_of, raise_on_problems, worse_than_evaluated
from headlines.nightly.report import night_verdict, write_nightly_report
from headlines.review.accuracy import ReviewedAccuracy
from headlines.scoring.results import BatchResult
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Manifest

REPORT = Path("night.html")


def evaluation_with(**accuracy: float | None) -> Manifest:
    """The manifest of an evaluation with that accuracy on splits; None: it has no rows."""
    metrics = {
        split: {
            "without_leaked_titles": {
                "rows": 0 if value is None else 100,
                "accuracy": value,
                "macro_f1": value,
            }
        }
        for split, value in accuracy.items()
    }
    return Manifest("k", "evaluation", 1, (), {}, (), {"metrics": metrics})


def left(outcome: str, number: int) -> list[BatchResult]:
    return [BatchResult(f"{outcome}-{n}.csv", outcome) for n in range(number)]


@pytest.mark.parametrize(
    ("batches", "fail_on_empty", "message"),
    [
        (left("empty", 2), False, None),
        (left("waiting", 2), True, None),
        (left("empty", 2), True, "empty: empty-0.csv, empty-1.csv; see night.html"),
        (
            [*left("stopped", 1), *left("empty", 1)],
            False,
            "stopped: stopped-0.csv; see night.html",
        ),
        (
            [*left("empty", 1), *left("stopped", 1)],
            True,
            "stopped: stopped-0.csv; empty: empty-0.csv; see night.html",
        ),
    ],
)
def test_a_night_fails_for_empty_batches_only_if_asked(
    night_of: Callable[..., NightSummary],
    batches: list[BatchResult],
    fail_on_empty: bool,
    message: str | None,
) -> None:
    night = replace(night_of(rows=0), batches=batches, drift=[])
    failure = None
    try:
        raise_on_problems(night, REPORT, {}, fail_on_empty=fail_on_empty)
    except BatchesStopped as error:
        failure = str(error)
    assert failure == message


def test_an_empty_batch_is_no_night_without_batches(
    night_of: Callable[..., NightSummary],
) -> None:
    night = replace(night_of(rows=0), batches=left("empty", 1), drift=[])
    assert alerts_of(night, REPORT) == []


def test_reviewed_headlines_below_the_evaluation_are_an_alert(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    model = night_of(rows=0).model
    reviewed = ReviewedAccuracy(200, (model,), 0.7, (0.63, 0.76), 0.6, (0.5, 0.7))
    warnings = worse_than_evaluated(reviewed, model, evaluation_with(test=0.8, dev=0.9))
    night = replace(night_of(), reviewed=reviewed, worse_than_evaluated=warnings)
    assert [alert.kind for alert in alerts_of(night, REPORT)] == ["drift", "accuracy"]
    assert "less accurate on reviewed headlines" in night_verdict(night)
    page = write_nightly_report(root, "2026-11-20T183000Z", night).read_text(encoding="utf-8")
    for shown in ("0.630–0.760", "By people's labels of 200 headlines", "0.800 in the evaluation"):
        assert shown.replace("'", "&#39;") in page or shown in page
    save_night(root, "2026-11-20T183000Z", night)
    [record] = recent_nights(root)
    assert (record.reviewed, record.reviewed_headlines) == (0.7, 200)


@pytest.mark.parametrize(
    ("model", "test", "warnings"),
    [
        ("scored", 0.8, 1),
        ("scored", 0.75, 0),  # within the interval
        ("another", 0.8, 0),
        ("scored", None, 1),  # dev, as test has no rows
    ],
)
def test_only_a_models_own_reviews_are_compared(
    model: str, test: float | None, warnings: int
) -> None:
    reviewed = ReviewedAccuracy(200, ("scored",), 0.7, (0.63, 0.76), 0.6, (0.5, 0.99))
    evaluation = evaluation_with(test=test, dev=0.9)
    assert len(worse_than_evaluated(reviewed, model, evaluation)) == warnings
