"""What runs show of reports in the Prefect UI: the summary, and a link to the file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.context import get_run_context

from flows.nightly import night_name
from headlines.storage.data_root import DataRoot
from tasks.reporting import show_report


@pytest.mark.usefixtures("prefect_server")
def test_a_retry_replaces_the_artifacts_of_its_run(root: DataRoot, tmp_path: Path) -> None:
    report = tmp_path / "报告 1.html"
    runs = []

    @task(retries=1)
    def tell() -> None:
        show_report(root, "Evaluation_report", "**0.674**", report, "Evaluation of m")
        runs.append(get_run_context().task_run.flow_run_id)  # type: ignore[union-attr]
        if len(runs) == 1:
            raise OSError("the disk was away when all was done")

    @flow
    def evaluate() -> None:
        tell()

    evaluate()

    with get_client(sync_client=True) as client:
        shown: dict[str | None, Artifact] = {
            artifact.key: artifact
            for artifact in client.read_artifacts(limit=200)
            if artifact.flow_run_id == runs[0]
        }
        assert sum(a.flow_run_id == runs[0] for a in client.read_artifacts(limit=200)) == 2
    summary, link = shown["evaluation-report"], shown["evaluation-report-file"]
    assert summary.task_run_id is None  # so it is listed on the page of the flow run
    assert (summary.type, summary.data) == ("markdown", "**0.674**")
    assert summary.description == link.description == "Evaluation of m"
    assert link.data == f"[报告 1.html]({report.as_uri()})"  # this server shows no files
    assert " " not in report.as_uri()


def test_nights_of_one_day_have_different_names() -> None:
    due = datetime(2026, 11, 27, 18, 30, 1, tzinfo=UTC)
    local = f"{due.astimezone():%Y-%m-%d %H:%M:%S}"
    assert night_name(due, None, None) == f"nightly, {local}"
    assert night_name(due, "2026-11-01", None) == f"backfill 2026-11-01 to, {local}"
    assert night_name(due, "2026-11-01", "2026-11-20") == (
        f"backfill 2026-11-01 to 2026-11-20, {local}"
    )
