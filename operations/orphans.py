"""Runs of deployments whose process is gone: found by the processes of this machine, and crashed.

Such a run keeps its deployment's concurrency slot, so no other night starts. Heartbeats find only
runs that have sent one: not a run that was pending when its worker was killed.
"""

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from operations.worker import POOL

ACTIVE = FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
)
_SECONDS = 30  # between two looks
_SUBMITTING = timedelta(minutes=5)  # how long a worker may take to start a process


@dataclass(frozen=True)
class _Processes:
    """The processes of this machine that run deployments of a server.

    Attributes:
        runs: ids of the flow runs that have a process.
        workers: when each worker was started.
        hidden: whether there are runs of another user, whose ids cannot be read.
    """

    runs: frozenset[UUID]
    workers: tuple[datetime, ...]
    hidden: bool

    @classmethod
    def now(cls, api_url: str) -> "_Processes":
        runs, workers, hidden = set(), [], False
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            is_worker = {"worker", "start", POOL} <= set(command)
            if not is_worker and "prefect.engine" not in command:
                continue
            try:
                environment = process.environ()
                started = datetime.fromtimestamp(process.create_time(), UTC)
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                hidden = True
                continue
            if is_worker and environment.get("PREFECT_API_URL", api_url) == api_url:
                workers.append(started)
            elif run := environment.get("PREFECT__FLOW_RUN_ID"):
                runs.add(UUID(run))
        return cls(frozenset(runs), tuple(workers), hidden)

    def may_have(self, run: FlowRun) -> bool:
        """Whether a run has a process, or a worker may be about to start one."""
        if run.id in self.runs or self.hidden:
            return True
        assert run.state is not None
        since = run.state.timestamp
        if run.state.type != StateType.PENDING or datetime.now(UTC) - since > _SUBMITTING:
            return False
        return any(started <= since for started in self.workers)


def find_orphans(client: SyncPrefectClient) -> list[FlowRun]:
    """The pending, running and cancelling runs of deployments that have no process.

    None where the server asks for a password: then runs may be on other machines.
    """
    if os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return []
    of_deployment = FlowRunFilterDeploymentId(is_null_=False)
    active = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=ACTIVE, deployment_id=of_deployment)
    )
    if not active:
        return []
    processes = _Processes.now(str(client.api_url).rstrip("/"))
    orphans = [run.id for run in active if not processes.may_have(run)]
    if not orphans:
        return []
    # Again, as some may have ended by themselves in between.
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=ACTIVE, id=FlowRunFilterId(any_=orphans))
    )


def crash(client: SyncPrefectClient, orphans: list[FlowRun]) -> None:
    """Mark runs and the runs that they started as crashed, which frees their slots."""
    for orphan in orphans:
        parent = FlowRunFilterParentFlowRunId(any_=[orphan.id])
        children = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=ACTIVE, parent_flow_run_id=parent)
        )
        for run in (*children, orphan):
            # By force, as Prefect lets a run that is being cancelled only become Cancelled.
            client.set_flow_run_state(run.id, Crashed(message="its process is gone"), force=True)


def crash_all() -> list[FlowRun]:
    """Crash the orphans of the server that `PREFECT_API_URL` names; return them."""
    with get_client(sync_client=True) as client:
        orphans = find_orphans(client)
        crash(client, orphans)
    return orphans


def watch() -> None:
    """Crash orphans from now on, in a thread of the server that `PREFECT_API_URL` names."""
    threading.Thread(target=_watch, name="orphans", daemon=True).start()


def _watch() -> None:
    # A process may be gone for a moment before its worker reports how the run has ended.
    seen_before: set[UUID] = set()
    pause = threading.Event()
    while not pause.wait(_SECONDS):
        try:
            with get_client(sync_client=True) as client:
                orphans = find_orphans(client)
                crash(client, [orphan for orphan in orphans if orphan.id in seen_before])
        except Exception as error:  # this server is starting, busy or stopping
            print(f"orphaned runs not looked for: {error!r}", flush=True)
        else:
            seen_before = {orphan.id for orphan in orphans}
