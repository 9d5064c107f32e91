"""Runs of deployments that do not get on, each with the command that frees it."""

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from headlines.errors import InputError
from operations.orphans import ACTIVE, find_orphans
from operations.worker import POOL

_PATIENCE = timedelta(minutes=5)


def check_runs(client: SyncPrefectClient) -> str:
    """The number of active runs of deployments.

    Raises:
        InputError: runs have no process, stay pending, or have not started though they are due.
    """
    of_deployment = FlowRunFilterDeploymentId(is_null_=False)
    active = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=ACTIVE, deployment_id=of_deployment)
    )
    orphans = {run.id for run in find_orphans(client)}
    problems = [
        f"{_described(run)} has no process: `headlines up` ends it" for run in active
        if run.id in orphans
    ] + [
        f"{_described(run)} does not start: `prefect flow-run cancel {run.id}`" for run in active
        if run.id not in orphans and _is_long_pending(run)
    ] + [
        f"{_described(run)} is overdue: {_reason(client, run, active)}"
        for run in _overdue(client, of_deployment)
    ]  # fmt: skip
    if problems:
        raise InputError(
            "; ".join(problems), "the server", "see “Stuck runs” in docs/operations.md"
        )
    return f"{len(active)} under way, none overdue"


def _is_long_pending(run: FlowRun) -> bool:
    assert run.state is not None
    return run.state.type == StateType.PENDING and run.state.timestamp < _long_ago()


def _long_ago() -> datetime:
    return datetime.now(UTC) - _PATIENCE


def _overdue(client: SyncPrefectClient, of_deployment: FlowRunFilterDeploymentId) -> list[FlowRun]:
    """The runs that should have started some minutes ago, the first first."""
    due = FlowRunFilterExpectedStartTime.model_validate({"before_": _long_ago()})
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            deployment_id=of_deployment,
            expected_start_time=due,
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _reason(client: SyncPrefectClient, run: FlowRun, active: list[FlowRun]) -> str:
    """What an overdue run waits for, and the command that ends the wait."""
    assert run.state is not None
    if run.state.name != "AwaitingConcurrencySlot":
        if any(pool.is_paused for pool in client.read_work_pools() if pool.name == POOL):
            return f"its work pool is paused: `prefect work-pool resume {POOL}`"
        return "no worker takes it: `headlines up`"
    holders = [holder for holder in active if holder.deployment_id == run.deployment_id]
    if holders:
        holder = holders[0]
        return f"its slot is held by {_described(holder)}: `prefect flow-run cancel {holder.id}`"
    assert run.deployment_id is not None
    deployment = client.read_deployment(run.deployment_id)
    limit = deployment.global_concurrency_limit
    name = limit.name if limit else deployment.name
    return f"its slot is held by no run: `prefect gcl update {name} --active-slots 0`"


def _described(run: FlowRun) -> str:
    assert run.state is not None
    return f"{run.name} ({run.state.name} since {run.state.timestamp.astimezone():%Y-%m-%d %H:%M})"
