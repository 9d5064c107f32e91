"""What server, worker, schedules and the last night are doing."""

import os
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort

from headlines.errors import InputError
from operations.automations import alert_block
from operations.doctor import Check
from operations.worker import POOL

NIGHTLY = "nightly"
_OVERDUE = timedelta(hours=25)  # a night a day, and an hour for it


async def examine() -> list[Check]:
    """Look at the server that `PREFECT_API_URL` names, and at what runs by it."""
    url = os.environ["PREFECT_API_URL"]
    async with get_client() as client:
        if (problem := await _problem(client)) is not None:
            return [Check("server", False, f"{url}: {problem}; `make up`, or see its log")]
        looks = {
            "schedule": _schedule,
            "worker": _worker,
            "last night": _last_night,
        }
        checks = [Check("server", True, f"{url}, and its database answers")]
        for name, look in looks.items():
            try:
                checks.append(Check(name, True, await look(client)))
            except InputError as error:
                checks.append(Check(name, False, str(error)))
    block = await alert_block()
    told = f"by {block}" if block else "off (`headlines alerts TYPE/NAME` turns them on)"
    return [*checks, Check("alerts", True, told)]


async def _problem(client: PrefectClient) -> str | None:
    """What is amiss with the server or its database; None where both answer."""
    try:
        await client.request("GET", "/ready")
    except httpx.HTTPStatusError as error:
        return f"it answers {error.response.status_code} {error.response.text[:200]}"
    except httpx.HTTPError as error:
        return f"it cannot be reached ({type(error).__name__})"
    return None


async def _schedule(client: PrefectClient) -> str:
    deployments = await client.read_deployments(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[NIGHTLY])),
        flow_filter=FlowFilter(name=FlowFilterName(any_=[NIGHTLY])),
    )
    if not deployments:
        raise InputError("nightly is not deployed", "the server", "run `make up`")
    active = [one for one in deployments[0].schedules if one.active]
    if deployments[0].paused or not active:
        raise InputError("nightly has no active schedule", "the server", "resume it on its page")
    runs = await client.get_scheduled_flow_runs_for_deployments([deployments[0].id], limit=1)
    when = runs[0].next_scheduled_start_time if runs else None
    if when is None:
        raise InputError(
            "no night is scheduled though the schedule is active",
            "the server",
            "wait a minute; if it stays so, see the server's log",
        )
    return f"next night {when.astimezone():%Y-%m-%d %H:%M %Z}"


async def workers_online() -> list[str]:
    """Names of the workers that poll the work pool."""
    async with get_client() as client:
        workers = await client.read_workers_for_work_pool(POOL)
    return sorted(one.name for one in workers if one.status == WorkerStatus.ONLINE)


async def _worker(_: PrefectClient) -> str:
    online = await workers_online()
    if not online:
        raise InputError(f"no worker polls the pool {POOL}", "the server", "run `make up`")
    return f"{len(online)} polling: {', '.join(online)}"


async def _last_night(client: PrefectClient) -> str:
    runs: list[FlowRun] = await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[NIGHTLY])),
        flow_run_filter=FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False)),
        sort=FlowRunSort.START_TIME_DESC,
        limit=1,
    )
    if not runs or runs[0].start_time is None:
        return "none yet"
    run, began = runs[0], runs[0].start_time
    assert run.state is not None
    said = f"{run.name}: {run.state.name}, {began.astimezone():%Y-%m-%d %H:%M %Z}"
    if run.state.type in (StateType.FAILED, StateType.CRASHED):
        raise InputError(said, "the server", f"`prefect flow-run logs {run.id}`")
    if datetime.now(UTC) - began > _OVERDUE:
        raise InputError(f"{said}; none since", "the server", "see schedule and worker")
    return said
