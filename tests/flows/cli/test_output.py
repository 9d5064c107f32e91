"""What people are shown stays short, whatever the night."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from flows.cli.output import archive_lines, evaluation_lines, night_lines, stream_lines
from headlines.metrics.drift import drift
from headlines.metrics.profile import EMPTY_PROFILE, Profile, profile_of
from headlines.nightly.history import NightSummary
from headlines.scoring.results import BatchResult
from headlines.storage.data_root import DataRoot

ROOT = DataRoot.open("/nowhere")  # not read
NO_DRIFT: Any = (EMPTY_PROFILE, EMPTY_PROFILE, [], [])
REST = {"inbox": "data/inbox", "evaluation": "e", "figures": {}, "report": "r.html"}


def test_a_night_of_thousands_fits_on_a_screen() -> None:
    stopped = [BatchResult(f"{n}.csv", "stopped", message="no title") for n in range(1000)]
    skipped = {f"{n}.txt": "its ending" for n in range(1000)}
    night = NightSummary(
        "m", stopped, 10_000, {"of other days": 0, "without a day": 7}, skipped, *NO_DRIFT
    )

    lines = night_lines(ROOT, {**REST, **asdict(night)})

    assert len(lines) < 60
    assert "up to date: 10000 batches" in lines
    assert "left out: 7 without a day" in lines
    assert "… and 980 more batches" in lines
    assert "… and 980 more files skipped" in lines


def test_a_night_shows_what_it_left() -> None:
    settling = BatchResult("a.csv", "settling", message="changed 3 s ago: left for the next night")
    night = NightSummary("m", [settling], 1, {}, {}, *NO_DRIFT)
    lines = night_lines(ROOT, {**REST, **asdict(night)})
    assert "a.csv: settling: changed 3 s ago: left for the next night" in lines
    assert "up to date: 1 batch" in lines
    assert not any("no batches" in line for line in lines)


def test_an_empty_inbox_is_shown() -> None:
    lines = night_lines(ROOT, {**REST, **asdict(NightSummary("m", [], 0, {}, {}, *NO_DRIFT))})
    assert "no batches in data/inbox" in lines


def test_figures_have_intervals_where_there_are_rows() -> None:
    intervals = {"accuracy": [0.7334, 0.7866], "macro_f1": [0.6353, 0.711]}
    figures = {"accuracy": 0.7605, "macro_f1": 0.6739, "positive_recall": 0.4337}
    all_rows = {"rows": 998, **figures, "intervals": intervals}
    nothing = dict.fromkeys(("accuracy", "macro_f1"))
    figures = {
        "dev": {"all": all_rows, "without_leaked_titles": all_rows | {"rows": 968}},
        "test": {"all": {"rows": 0, **nothing, "intervals": nothing}},
    }
    lines = night_lines(
        ROOT, {**REST, **asdict(NightSummary("m", [], 0, {}, {}, *NO_DRIFT)), "figures": figures}
    )
    assert [line for line in lines if "accuracy" in line] == [
        "dev, all: accuracy 0.760 (0.733–0.787), macro-F1 0.674 (0.635–0.711), "
        "positive recall 0.434, 998 headlines",
        "dev, without leaked titles: accuracy 0.760 (0.733–0.787), "
        "macro-F1 0.674 (0.635–0.711), positive recall 0.434, 968 headlines",
    ]


def headlines_of(rows: int, length: int) -> Profile:
    """Headlines of one length."""
    return profile_of(
        np.ones(rows, np.int8), np.full(rows, 0.7), np.full(rows, length), np.full(rows, 0.2)
    )


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        (headlines_of(600, 25), []),
        (headlines_of(600, 8), ["drift of length: PSI 14.168 (warn from 0.10): warn"]),
        (
            headlines_of(499, 8),
            ["drift: skipped: too few headlines (499, at least 500 needed)"],
        ),
        (EMPTY_PROFILE, []),
    ],
)
def test_drift_is_shown_where_there_is_some(profile: Profile, shown: list[str]) -> None:
    reference = headlines_of(1000, 25)
    night = NightSummary("m", [], 0, {}, {}, profile, reference, [], drift(profile, reference))
    lines = night_lines(ROOT, {**REST, **asdict(night)})
    assert [line for line in lines if "drift" in line] == shown


def test_drift_without_a_reference_says_so() -> None:
    night = headlines_of(704, 25)
    findings = drift(night, EMPTY_PROFILE)
    lines = night_lines(
        ROOT,
        {**REST, **asdict(NightSummary("m", [], 0, {}, {}, night, EMPTY_PROFILE, [], findings))},
    )
    assert [line for line in lines if "drift" in line] == [
        "drift: skipped: the corpus has no labelled headlines of dev to compare with"
    ]


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({}, "dev macro-F1 0.712, cross-entropy 0.511; the LSTM beats it"),
        (
            {"baseline_beaten": False},
            "dev macro-F1 0.712, cross-entropy 0.511; the LSTM does not beat it",
        ),
        (
            {"baseline_beaten": None, "baseline_macro_f1": None},
            "no headlines of dev to compare on",
        ),
        (
            {"baseline_beaten": None, "baseline_macro_f1": None, "baseline_why_not": "no sklearn"},
            "not measured: no sklearn",
        ),
    ],
)
def test_an_evaluation_shows_if_the_baseline_is_beaten(counts: dict[str, Any], shown: str) -> None:
    assert f"baseline (TF-IDF + logistic regression): {shown}" in evaluation_of(counts)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({}, "20 of 20 checks passed"),
        (
            {"behaviour_failed": ["a full stop", "adding 获奖"]},
            "18 of 20 checks passed; failed: a full stop, adding 获奖",
        ),
        (
            {"behaviour_unknown": ["adding 喜获丰收"], "behaviour_failed": ["a full stop"]},
            "19 of 20 checks passed, 1 of them with words unknown to the model; "
            "failed: a full stop",
        ),
        (
            {"behaviour_unknown": ["adding 获奖"], "behaviour_failed": ["adding 获奖"]},
            "19 of 20 checks passed; failed: adding 获奖",
        ),
        ({"behaviour_checks": 0}, "skipped: too few headlines"),
    ],
)
def test_an_evaluation_names_failed_behaviour_checks(counts: dict[str, Any], shown: str) -> None:
    assert f"behaviour: {shown}" in evaluation_of(counts)


def evaluation_of(counts: dict[str, Any]) -> list[str]:
    """The lines of an evaluation that beats the baseline and passes all, but for these counts."""
    passed = {
        "metrics": {},
        "baseline_beaten": True,
        "baseline_macro_f1": 0.7121,
        "baseline_cross_entropy": 0.511,
        "baseline_why_not": "",
        "behaviour_checks": 20,
        "behaviour_failed": [],
        "behaviour_unknown": [],
    }
    return evaluation_lines(
        {"artifact": "e", "report": "r.html", "reused": True, "counts": passed | counts}
    )


@pytest.mark.parametrize(("rows", "shown"), [(0, "0 rows in"), (1, "1 row in"), (2, "2 rows in")])
def test_one_row_is_a_row(rows: int, shown: str) -> None:
    counts = {"rows_in": rows, "scored": rows, "rejected": 0, "without_content": 0, "warnings": {}}
    assert shown in stream_lines(counts)[-1]


@pytest.mark.parametrize(("missing", "shown"), [(0, False), (3, True)])
def test_titles_without_an_article_are_counted(missing: int, shown: bool) -> None:
    counts = {"rows_in": 9, "scored": 9, "rejected": 0, "without_content": missing, "warnings": {}}
    assert ("3 labelled without an article" in stream_lines(counts)[-1]) == shown


def test_warnings_come_before_the_counts_of_a_stream() -> None:
    warnings = {"a quoted field holds rows": {"rows": 2, "first": 7}}
    counts = {"rows_in": 9, "scored": 9, "rejected": 0, "without_content": 0, "warnings": warnings}
    assert stream_lines(counts)[0] == (
        "headlines: warning: row 7 and 1 more: a quoted field holds rows"
    )


@pytest.mark.parametrize(("dry_run", "done"), [(True, "would be moved"), (False, "moved")])
def test_archived_batches_are_listed(dry_run: bool, done: str) -> None:
    moved = {"a.csv": "a.csv", "b.csv": "b~1.csv"}
    lines = archive_lines(
        {"directory": "x", "moved": moved, "kept": {"due": 2}, "dry_run": dry_run}
    )
    assert lines == [
        "a.csv",
        "b.csv as b~1.csv",
        f"2 batches {done} to x",
        "left in the inbox: 2 due",
    ]
