"""The task that writes the report of a night."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from headlines.catalog import Catalog
from headlines.reports import Night, night_summary, write_nightly_report
from tasks.reporting import show_markdown, show_table
from tasks.stage import stage

_COLUMNS = ("batch", "outcome", "rows_in", "scored", "rejected", "message")
_SHOWN = 200  # rows of the table in the Prefect UI at the most; the report has all


@stage("report", run_name="report of the night", timeout_seconds=600)
def report_night(catalog: Catalog, night: Night) -> Path:
    """Write the report, and show its summary in the Prefect UI."""
    title = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    path = catalog.reports / "nightly" / f"{title}.html"
    write_nightly_report(catalog, path, title, night)
    # What calls for a person first.
    batches = sorted(night.batches, key=lambda result: result.outcome != "stopped")
    rows = [{name: asdict(result)[name] for name in _COLUMNS} for result in batches[:_SHOWN]]
    show_table("night", rows, f"{len(rows)} of {len(batches)} batches of the night {title}")
    show_markdown("night-report", night_summary(night, path), "The night in short")
    return path
