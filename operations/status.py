"""Checks of the running server: its schedule, its worker, the last night and alerts."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterCreatedBy,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort

from headlines.errors import InputError
from operations.automations import alert_block
from operations.checks import Check, run_checks
from operations.stuck import check_runs
from operations.worker import POOL

_NIGHTLY_FLOW = FlowFilter(name=FlowFilterName(any_=["nightly"]))
_NIGHTLY_DEPLOYMENT = DeploymentFilter(name=DeploymentFilterName(any_=["nightly"]))
_BEGUN = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.SCHEDULED]))
_NEEDED_BYTES = 256 << 20
_WITHOUT_RESULT = (
    StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, StateType.CANCELLING,
)  # fmt: skip
_OVERDUE = timedelta(hours=25)  # a night a day, which may take an hour


def check_server() -> list[Check]:
    """Check the server that `PREFECT_API_URL` names, and what runs on it."""
    with get_client(sync_client=True) as client:
        server = run_checks({"server": partial(_server, client)})
        if not server[0].good:
            return server
        checks = {
            "schedule": _schedule,
            "worker": _worker,
            "runs": check_runs,
            "last night": _last_night,
            "disk": _disk,
        }
        rest = run_checks({name: partial(check, client) for name, check in checks.items()})
    block = alert_block()
    alerts = f"sent by {block}" if block else "off (`headlines alerts TYPE/NAME` turns them on)"
    return [*server, *rest, Check("alerts", True, alerts)]


def online_workers() -> list[str]:
    """The names of the workers that poll the work pool."""
    with get_client(sync_client=True) as client:
        try:
            workers = client.read_workers_for_work_pool(POOL)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            return []  # `up` has not got as far as making the pool
    return sorted(worker.name for worker in workers if worker.status == WorkerStatus.ONLINE)


def _server(client: SyncPrefectClient) -> str:
    url = f"PREFECT_API_URL={os.environ['PREFECT_API_URL']}"
    hint = "start it with `make up`, read its log, or unset PREFECT_API_URL if that server is old"
    try:
        client.request("GET", "/ready")  # asks its database too
    except httpx.HTTPStatusError as error:
        answer = f"{error.response.status_code} {error.response.text[:200]}"
        raise InputError(f"the server answers {answer}", url, hint) from error
    except httpx.HTTPError as error:
        reason = type(error).__name__
        raise InputError(f"the server cannot be reached ({reason})", url, hint) from error
    return f"running at {os.environ['PREFECT_API_URL']}, and its database answers"


def _disk(_: SyncPrefectClient) -> str:
    """The free space for the database: a server that cannot write still answers."""
    home = Path(os.environ["PREFECT_HOME"])
    free = shutil.disk_usage(home if home.exists() else home.parent).free
    if free < _NEEDED_BYTES:
        raise InputError(
            f"only {free >> 20} MiB are free for Prefect's database",
            str(home),
            f"free some space: it needs {_NEEDED_BYTES >> 20} MiB",
        )
    return f"{free >> 20} MiB free for Prefect's database"


def _schedule(client: SyncPrefectClient) -> str:
    deployments = client.read_deployments(
        deployment_filter=_NIGHTLY_DEPLOYMENT, flow_filter=_NIGHTLY_FLOW
    )
    if not deployments:
        raise InputError("nightly is not deployed", "the server", "run `make up`")
    nightly = deployments[0]
    if nightly.paused or not any(schedule.active for schedule in nightly.schedules):
        raise InputError(
            "nightly has no active schedule", "the server", "resume it on the deployment's page"
        )
    runs = client.get_scheduled_flow_runs_for_deployments([nightly.id], limit=1)
    start = runs[0].next_scheduled_start_time if runs else None
    if start is None:
        raise InputError(
            "no night is scheduled, though the schedule is active",
            "the server",
            "wait a minute; if this stays, read the server's log",
        )
    return f"next night {start.astimezone():%Y-%m-%d %H:%M %Z}"


def _worker(_: SyncPrefectClient) -> str:
    online = online_workers()
    if not online:
        raise InputError(f"no worker polls the work pool {POOL}", "the server", "run `make up`")
    return f"{len(online)} polling: {', '.join(online)}"


def _last_night(client: SyncPrefectClient) -> str:
    begun = FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC)})
    runs = client.read_flow_runs(
        flow_filter=_NIGHTLY_FLOW,
        deployment_filter=_NIGHTLY_DEPLOYMENT,
        flow_run_filter=FlowRunFilter(
            # Neither a backfill nor a run by hand tells whether the schedule is kept.
            created_by=FlowRunFilterCreatedBy(type_=["SCHEDULE"]),
            expected_start_time=begun,
            state=_BEGUN,
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return describe_night(runs[0]) if runs else "none yet"


def describe_night(run: FlowRun) -> str:
    """The last scheduled night.

    Raises:
        InputError: it has not done its work, or the one after it is missing.
    """
    started = run.start_time or run.expected_start_time
    assert run.state is not None
    assert started is not None
    summary = f"{run.name}: {run.state.name}, {started.astimezone():%Y-%m-%d %H:%M %Z}"
    if run.state.type in _WITHOUT_RESULT:
        raise InputError(summary, "the server", f"see `prefect flow-run logs {run.id}`")
    if datetime.now(UTC) - started > _OVERDUE:
        raise InputError(
            f"{summary}; none since", "the server", "see the lines on schedule and worker"
        )
    return summary
