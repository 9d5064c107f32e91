"""The task that writes the report of a night."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from headlines.catalog import Catalog
from headlines.reports import BatchResult, night_summary, write_nightly_report
from tasks.reporting import show_markdown, show_table
from tasks.stage import stage

_SHOWN = ("batch", "outcome", "rows_in", "scored", "rejected", "message")


@stage("report", run_name="report of the night", tags=["report"], timeout_seconds=600)
def report_night(
    catalog: Catalog, model: str, results: Sequence[BatchResult], skipped: dict[str, str]
) -> Path:
    """Write the report, and show its summary in the Prefect UI."""
    night = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    path = catalog.reports / "nightly" / f"{night}.html"
    write_nightly_report(catalog, path, night, model, results, skipped)
    rows = [{name: asdict(result)[name] for name in _SHOWN} for result in results]
    show_table("night", rows, f"Batches of the night {night}")
    show_markdown("night-report", night_summary(model, results, path), "The night in short")
    return path
