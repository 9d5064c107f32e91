"""What stages report: log lines, and artifacts in the Prefect UI."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.context import SyncClientContext
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_UI_URL
from prefect.utilities.context import get_flow_run_id

from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

_SECONDS = 5  # for the server to say whether it shows a report


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
    """Show rows as a table artifact on the page of the flow run."""
    table = [{name: _rounded(value) for name, value in row.items()} for row in rows]
    _show("table", key, json.dumps(table, ensure_ascii=False), description)


def show_report(root: DataRoot, key: str, summary: str, report: Path, description: str) -> None:
    """Show the summary of a report, and a link to the report itself, on the page of the flow run.

    Args:
        root: the data root.
        key: of the summary; that of the link ends in `-file`.
        summary: markdown.
        report: the HTML file.
        description: what it reports on.
    """
    _show("markdown", key, summary, description)
    address = _served_at(root, report) or report.absolute().as_uri()
    _show("markdown", f"{key}-file", f"[{report.name}]({address})", description)


def _show(kind: str, key: str, data: str, description: str) -> None:
    """Show an artifact; one of the same key, of a task or run that is retried, is replaced."""
    run = get_flow_run_id()
    assert run is not None
    slug = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
    same = ArtifactFilter(
        key=ArtifactFilterKey(any_=[slug]), flow_run_id=ArtifactFilterFlowRunId(any_=[run])
    )
    with SyncClientContext.get_or_create() as context:
        for old in context.client.read_artifacts(artifact_filter=same):
            context.client.delete_artifact(old.id)
        context.client.create_artifact(
            # Without the task: the page of the flow run lists only what belongs to none.
            ArtifactCreate(key=slug, type=kind, data=data, description=description, flow_run_id=run)
        )


def _served_at(root: DataRoot, report: Path) -> str | None:
    """Where the Prefect server shows a report; None if it does not."""
    server = PREFECT_UI_URL.value()
    if not server or not root.is_directory or not report.is_relative_to(root.store.directory):
        return None
    url = f"{server}/files/{quote(str(report.relative_to(root.store.directory)))}"
    try:
        length = httpx.head(url, timeout=_SECONDS).headers.get("content-length")
    except httpx.HTTPError:
        return None
    # Another server answers any address with its own page.
    return url if length == str(report.stat().st_size) else None


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None  # JSON has no others
