"""Reports are self-contained, and nothing from a batch becomes HTML."""

import re
from pathlib import Path

from headlines.catalog import Catalog
from headlines.reports import BatchResult, Night, night_summary, write_nightly_report

STOPPED = BatchResult("坏.csv", "stopped", message="<img src=x onerror=alert(1)> is no headline")
SCORED = BatchResult(
    "好.csv", "scored", rows_in=10, scored=8, rejected=2,
    reasons={"title is blank": 2}, labels={"positive": 1, "neutral": 3, "negative": 4}, model="m",
)  # fmt: skip


def test_the_night_stands_in_its_report(catalog: Catalog) -> None:
    path = catalog.reports / "night.html"
    night = Night("m", [STOPPED, SCORED], 10_000, {"without a day": 3}, {"x.doc": "not read"})
    write_nightly_report(catalog, path, "2026-11-20", night)

    page = path.read_text(encoding="utf-8")

    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "title is blank" in page
    assert "x.doc" in page
    shown = re.sub(r"\s+", " ", page)
    assert "8 headlines scored and 2 rejected this night, in 1 of 10002 batches" in shown
    assert "10000 had been scored before" in shown
    assert "3 without a day left out" in shown
    assert not re.search(r"(src|href)\s*=\s*[\"']?https?:", page)


def test_the_summary_names_what_was_stopped(tmp_path: Path) -> None:
    night = Night("m", [STOPPED, SCORED, SCORED], 7, {"of other days": 0, "without a day": 3}, {})
    summary = night_summary(night, tmp_path / "night.html")
    assert "batches: 1 stopped, 2 scored, 7 reused, 3 without a day" in summary
    assert "headlines scored: 16" in summary
    assert "**stopped** 坏.csv" in summary
