"""What stages report: log lines, and artifacts in the Prefect UI."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.logging import get_run_logger

from headlines.storage.artifact import Artifact


def log_stage(what: str, artifact: Artifact, detail: str) -> None:
    """Log that a stage built an artifact, or that it is up to date.

    JSON logs also have its stage, path, seconds and counts.
    """
    state = "up to date" if artifact.reused else f"built in {artifact.manifest.seconds:.1f} s"
    stage = {
        "stage": artifact.manifest.stage,
        "path": artifact.location,
        "reused": artifact.reused,
        "seconds": artifact.manifest.seconds,
        "counts": {
            name: value for name, value in artifact.counts.items() if isinstance(value, int)
        },
    }
    get_run_logger().info("%s: %s (%s)", what, state, detail, extra={"stage": stage})


def show_table(key: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """Show rows as a table artifact in the Prefect UI."""
    table = [{name: _rounded(value) for name, value in row.items()} for row in rows]
    create_table_artifact(table=table, key=_slug(key), description=description)


def show_report(key: str, summary: str, report: Path, description: str) -> None:
    """Show the summary of a report, and a link to the report itself, in the Prefect UI.

    Args:
        key: of the summary; that of the link ends in `-file`.
        summary: markdown.
        report: the HTML file.
        description: what it reports on.
    """
    create_markdown_artifact(markdown=summary, key=_slug(key), description=description)
    link, key = report.absolute().as_uri(), _slug(f"{key}-file")
    create_link_artifact(link, report.name, key=key, description=description)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _slug(key: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
