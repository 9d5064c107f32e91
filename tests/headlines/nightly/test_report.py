"""The report of a night: escaped, complete, and clear about what needs attention."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headlines.metrics.drift import DriftThresholds, drift
from headlines.metrics.profile import EMPTY_PROFILE
from headlines.nightly.history import NightSummary
from headlines.nightly.report import night_summary, night_verdict, write_nightly_report
from headlines.scoring.results import BatchResult
from headlines.storage.data_root import DataRoot

TITLE = "2026-11-20T183000Z"


def written(root: DataRoot, night: NightSummary) -> str:
    """The page of a night, with whitespace collapsed."""
    path = write_nightly_report(root, TITLE, night)
    return re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))


def test_the_report_of_a_night(root: DataRoot, night_of: Callable[..., NightSummary]) -> None:
    page = written(root, night_of())

    assert "<img" not in page
    assert "<script>alert" not in page
    assert page.count("&lt;img src=x onerror=alert(2)&gt;") == 2  # a message, and a headline
    assert "title is blank" in page
    assert "笔记.docx" in page
    assert "Night of 2026-11-20 18:30 UTC" in page
    outcomes = "1 stopped, 1 settling, 10,000 scored before"
    assert f"Of 10,003 batches, 1 scored this night, {outcomes}" in page
    assert "3 without a day left out" in page
    assert "of other days" not in page
    assert "http" not in page.replace("http-equiv", "")
    nights = re.findall(r'<td class="name">(2026-11-\d\d \d\d:\d\d)</td>', page)
    assert nights == [f"2026-11-{day} 18:30" for day in (10, 11, 12, 20)]


def test_the_same_night_gives_the_same_bytes(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of()
    assert written(root, night) == written(root, night)


def test_a_night_with_nothing_to_score_says_so(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    for before in (0, 3):
        page = written(root, night_of(rows=0, before=before))
        assert "Nothing was scored." in page
        assert "Nothing was due" in page
        assert "so there is nothing to compare" in page
        assert ("Night by night" in page) == bool(before)


def test_each_drift_finding_is_shown_with_its_thresholds(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of()
    page = written(root, night)
    for finding in night.drift:
        bounds = rf"{finding.psi:.3f}</td> <td class=\"number\">{finding.warn:.3f}</td>"
        assert re.search(bounds, page), finding


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        (DriftThresholds(warn=9), "no drift"),
        (DriftThresholds(warn=0.11), "drift from dev: length"),
        (
            DriftThresholds(warn=0.11, stop=0.12),
            "drift from dev above the stop threshold: length",
        ),
    ],
)
def test_the_verdict_says_what_needs_attention(
    night_of: Callable[..., NightSummary], limits: DriftThresholds, verdict: str
) -> None:
    start = "2,000 headlines scored, 2 rows rejected; 1 batch stopped"
    assert night_verdict(night_of(limits=limits)) == f"{start}; {verdict}."


def left(names: str, outcome: str) -> list[BatchResult]:
    """Batches of these names that were not scored."""
    return [BatchResult(f"{name}.csv", outcome, message="no title") for name in names]


@pytest.mark.parametrize(
    ("batches", "summary", "verdict"),
    [
        (
            left("ab", "waiting"),
            "Of 3 batches, 0 scored this night, 2 waiting, 1 scored before.",
            "Nothing was scored; 2 batches are waiting for review: a.csv, b.csv.",
        ),
        (
            left("abcde", "waiting"),
            "Of 6 batches, 0 scored this night, 5 waiting, 1 scored before.",
            "Nothing was scored; 5 batches are waiting for review: a.csv, b.csv, c.csv and 2 more.",
        ),
        (
            [*left("s", "settling"), *left("w", "waiting"), *left("x", "stopped")],
            "Of 4 batches, 0 scored this night, 1 stopped, 1 waiting, 1 settling, 1 scored before.",
            "Nothing was scored; 1 batch stopped; 1 batch is waiting for review: w.csv.",
        ),
        (
            [*left("n", "scored"), *left("e", "empty")],
            "Of 3 batches, 1 scored this night, 1 empty, 1 scored before.",
            "0 headlines scored, 0 rows rejected; 1 batch has no rows.",
        ),
        (
            left("s", "settling"),
            "Of 2 batches, 0 scored this night, 1 settling, 1 scored before.",
            "Nothing was scored.",
        ),
    ],
)
def test_unscored_batches_are_counted_and_waiting_ones_named(
    root: DataRoot,
    night_of: Callable[..., NightSummary],
    batches: list[BatchResult],
    summary: str,
    verdict: str,
) -> None:
    night = replace(night_of(rows=0), batches=batches, reused=1, left_out={})
    assert night_verdict(night) == verdict
    page = written(root, night)
    assert summary in page
    assert verdict in page
    shown = re.findall(r'<td class="batch">(.*?)</td>', page)
    urgent = [batch.batch for batch in batches if batch.outcome in ("stopped", "waiting")]
    assert set(shown[: len(urgent)]) == set(urgent)
    lines = night_summary(night, Path("night.html")).splitlines()
    waiting = [batch.batch for batch in batches if batch.outcome == "waiting"]
    assert [line for line in lines if "**waiting**" in line] == [
        f"- **waiting** {name}: no title" for name in waiting
    ]


def test_without_a_reference_the_drift_check_is_skipped(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of()
    findings = drift(night.profile, EMPTY_PROFILE)
    night = replace(night, reference=EMPTY_PROFILE, drift=findings)
    assert night_verdict(night).endswith("; drift check skipped: dev has no headlines.")
    page = written(root, night)
    assert "nothing to compare with: the corpus of the evaluation" in page
    assert "too few" not in page
    assert "headlines are not judged" not in page


@pytest.mark.parametrize(
    ("moments", "names"),
    [
        (("11-20T183000Z", "11-22T183000Z", "11-23T183000Z"), ["11-20", "11-22", "11-23"]),
        (("11-20T183000Z", "11-23T183000Z", "11-23T200000Z"), ["11-20", "11-23 18h", "11-23 20h"]),
        (
            ("11-22T231000Z", "11-23T200000Z", "11-23T230500Z", "11-23T233000Z"),
            ["11-22", "11-23 20h", "11-23 23:05", "11-23 23:30"],
        ),
        (("11-23T230501Z", "11-23T230559Z"), ["11-23 23:05:01", "11-23 23:05:59"]),
    ],
)
def test_night_names_in_a_chart_are_unique(
    root: DataRoot,
    night_of: Callable[..., NightSummary],
    moments: tuple[str, ...],
    names: list[str],
) -> None:
    night = night_of(before=1)
    before = [replace(night.before[0], title=f"2026-{moment}") for moment in moments[:-1]]
    path = write_nightly_report(root, f"2026-{moments[-1]}", replace(night, before=before))
    for chart in re.findall(r"<svg.*?</svg>", path.read_text("utf-8"), flags=re.DOTALL)[1:]:
        assert re.findall(r">(\d\d-\d\d[ 0-9:h]*)<", chart) == names


def test_too_few_headlines_are_not_judged(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of(rows=60)
    assert "drift check skipped: too few headlines" in night_verdict(night)
    assert "headlines are not judged" in written(root, night)


def test_the_summary_names_what_was_stopped(
    tmp_path: Path, night_of: Callable[..., NightSummary]
) -> None:
    summary = night_summary(night_of(), tmp_path / "night.html")
    assert "batches: 1 stopped, 1 scored, 1 settling, 10000 reused, 3 without a day" in summary
    assert "headlines scored: 2000" in summary
    assert "**stopped** 坏.csv" in summary
    assert "skipped 笔记.docx: its ending is .docx" in summary


def test_titles_without_an_article_are_reported(night_of: Callable[..., NightSummary]) -> None:
    night = night_of()
    assert "article" not in night_verdict(night)
    batches = [
        replace(one, without_content=1200) if one.outcome == "scored" else one
        for one in night.batches
    ]
    expected = "2 rows rejected; 1,200 without an article were labelled by their titles;"
    assert expected in night_verdict(replace(night, batches=batches))


def test_warnings_are_in_the_report_and_the_summary(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of()
    warnings = {"<b>a quote</b> may be open": {"rows": 3, "first": 17}}
    batches = [
        replace(batch, warnings=warnings) if batch.outcome == "scored" else batch
        for batch in night.batches
    ]
    night = replace(night, batches=batches)
    assert "&lt;b&gt;a quote&lt;/b&gt; may be open" in written(root, night)
    assert "- 好.csv: row 17 and 2 more: <b>" in night_summary(night, Path("night.html"))
