"""The task that writes the report of a night."""

from dataclasses import asdict
from pathlib import Path

from prefect.logging import get_run_logger

from headlines.nightly.history import NightSummary, save_night
from headlines.nightly.overview import write_overview
from headlines.nightly.report import night_summary, write_nightly_report
from headlines.storage.data_root import DataRoot
from tasks.reporting import show_report, show_table
from tasks.stage import stage

_COLUMNS = ("batch", "outcome", "rows_in", "scored", "rejected", "message")
_FIRST = {"stopped": 0, "waiting": 1}  # outcomes that need attention
_MAX_ROWS = 200  # of the table in the Prefect UI; the report has all


@stage("report", run_name="report of the night", timeout_seconds=600)
def report_night(root: DataRoot, title: str, night: NightSummary) -> Path:
    """Write the report, and show its summary in the Prefect UI.

    Args:
        root: the data root.
        title: of the night, which names the report: the same when the task is retried.
        night: results of the batches.
    """
    path = write_nightly_report(root, title, night)
    for finding in night.drift:
        if finding.level in ("warn", "stop"):
            get_run_logger().warning("%s", finding)
    for warning in night.worse_than_evaluated:
        get_run_logger().warning("%s", warning)
    batches = sorted(night.batches, key=lambda result: _FIRST.get(result.outcome, len(_FIRST)))
    rows = [{name: asdict(result)[name] for name in _COLUMNS} for result in batches[:_MAX_ROWS]]
    show_table("night", rows, f"{len(rows)} of {len(batches)} batches of the night {title}")
    show_report(root, "night-report", night_summary(night, path), path, f"The night {title}")
    # Late, so that a retried task does not record the night twice; the overview reads the record.
    save_night(root, title, night)
    write_overview(root)
    return path
