"""What a night does with what it found: which batches make it fail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headlines.errors import BatchesStopped
from headlines.nightly.history import NightSummary
from headlines.nightly.night import alerts_of, raise_on_problems
from headlines.scoring.results import BatchResult

REPORT = Path("night.html")


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
