"""What tasks show of reports in the Prefect UI: the summary, and a link to the file."""

from pathlib import Path

import pytest
from prefect import flow
from prefect.artifacts import Artifact

from tasks.reporting import show_report


@pytest.mark.usefixtures("prefect_server")
def test_a_report_is_shown_as_summary_and_link(tmp_path: Path) -> None:
    report = tmp_path / "报告 1.html"

    @flow
    def tell() -> None:
        show_report("Evaluation_report", "**0.674**", report, "Evaluation of m")

    tell()

    summary = Artifact.get("evaluation-report")
    link = Artifact.get("evaluation-report-file")
    assert summary is not None
    assert link is not None
    assert (summary.type, summary.data) == ("markdown", "**0.674**")
    assert summary.description == link.description == "Evaluation of m"
    assert link.data == f"[报告 1.html]({report.as_uri()})"
    assert report.as_uri().startswith("file:///")
    assert " " not in report.as_uri()
