"""No kill or restart blocks a night for good, and no live run is called dead."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from operations import processes
from operations.instance import HEARTBEAT_SECONDS, PROJECT
from operations.worker import POOL
from tests.operations.conftest import Service, service_in, stopped_at_end
from tests.operations.test_service import NEWS, rows_of, start_until_midway

pytestmark = pytest.mark.integration

HEARTBEAT = "prefect.flow-run.heartbeat"


def kill(service: Service, *names: str) -> None:
    """Kill the server or the worker, with all that it has started."""
    for name in names:
        process = processes.running(service.instance, name)
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)


def slots_in_use(service: Service) -> int:
    """How many runs of `nightly` hold its concurrency slot."""
    limit = service.deployment("nightly/nightly")["global_concurrency_limit"]
    return int(service.request(f"/v2/concurrency_limits/{limit['id']}")["active_slots"])


def states_of(service: Service, run: str) -> list[str]:
    """The states that a run has been in."""
    states = service.request(f"/flow_run_states/?flow_run_id={run}")
    return [state["name"] for state in sorted(states, key=lambda state: state["timestamp"])]


def create_overdue(service: Service) -> str:
    """Create a run of `nightly` that was to start an hour ago; return its id."""
    deployment = service.deployment("nightly/nightly")["id"]
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    run = service.request(
        f"/deployments/{deployment}/create_flow_run",
        parameters=NEWS,
        state={"type": "SCHEDULED", "state_details": {"scheduled_time": an_hour_ago}},
    )
    return str(run["id"])


def set_state(service: Service, run: str, state: str) -> None:
    """Change the state of a run as a worker or a person does."""
    service.request(f"/flow_runs/{run}/set_state", state={"type": state})


def test_up_crashes_a_pending_run_whose_worker_was_killed(service: Service) -> None:
    def trigger_ids() -> list[str]:
        automations = service.request("/automations/filter", limit=200)
        return [automation["trigger"]["id"] for automation in automations]

    triggers = trigger_ids()
    run = service.start("nightly/nightly", **NEWS)
    service.wait_for(run, "Pending", "Submitting")
    kill(service, "worker", "server")
    again = service.headlines("up")
    assert again.returncode == 0, again.stderr
    assert f"({run}), whose process is gone" in again.stdout
    assert (service.state(run), slots_in_use(service)) == ("Crashed", 0)
    assert trigger_ids() == triggers  # with new ones, Prefect forgets whom it was watching


def test_status_names_stuck_runs_and_up_frees_them(service: Service) -> None:
    processes.stop(service.instance, "worker", 30)
    holder, waiting = create_overdue(service), create_overdue(service)
    set_state(service, holder, "PENDING")
    set_state(service, waiting, "PENDING")
    assert [service.state(run) for run in (holder, waiting)] == [
        "Pending", "AwaitingConcurrencySlot",
    ]  # fmt: skip
    status = service.headlines("status")
    assert status.returncode == 1
    assert "has no process: `headlines up` ends it" in status.stdout
    assert "is overdue: its slot is held by" in status.stdout
    assert f"`prefect flow-run cancel {holder}`" in status.stdout
    set_state(service, waiting, "CANCELLED")
    set_state(service, holder, "CANCELLING")
    assert service.headlines("up").returncode == 0
    assert (service.state(holder), slots_in_use(service)) == ("Crashed", 0)


def test_status_names_a_paused_work_pool(service: Service) -> None:
    assert service.prefect("work-pool", "pause", POOL).returncode == 0
    run = create_overdue(service)
    try:
        shown = service.headlines("status").stdout
        [command] = re.findall(r"its work pool is paused: `prefect (.*?)`", shown)
    finally:
        set_state(service, run, "CANCELLED")
        service.prefect("work-pool", "resume", POOL)
    assert command == f"work-pool resume {POOL}"


def let_heartbeats_be_overdue(service: Service) -> None:
    """Have a server that is down find, when it starts, that a run's next heartbeat is overdue."""
    with contextlib.closing(sqlite3.connect(service.instance.home / "prefect.db")) as database:
        overdue = "UPDATE automation_bucket SET \"end\" = datetime('now', '-10 seconds')"
        assert database.execute(overdue).rowcount > 0
        database.commit()


def let_leases_expire(service: Service) -> None:
    """Have the leases of slots look as after an outage of some minutes."""
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    folder = service.instance.home / "concurrency_leases"
    index = folder / "expirations.json"
    expirations = dict.fromkeys(json.loads(index.read_text(encoding="utf-8")), an_hour_ago)
    assert expirations
    index.write_text(json.dumps(expirations), encoding="utf-8")
    for name in expirations:
        lease = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        lease["expiration"] = an_hour_ago
        (folder / f"{name}.json").write_text(json.dumps(lease), encoding="utf-8")


def test_a_night_goes_on_when_its_server_restarts(trained: Service) -> None:
    run, process = start_until_midway(trained, "restarted.csv")
    process.suspend()  # until the server is up again, so that it cannot end earlier
    details = trained.request(f"/flow_runs/{run}")["state"]["state_details"]
    kill(trained, "server")
    let_heartbeats_be_overdue(trained)
    let_leases_expire(trained)
    again = trained.headlines("up")
    assert again.returncode == 0, again.stderr
    lease = details["deployment_concurrency_lease_id"]
    trained.request(f"/v2/concurrency_limits/leases/{lease}/renew", lease_duration=300)
    process.resume()
    assert trained.wait_for(run, "Completed", "Failed") == "Completed"
    assert "Crashed" not in states_of(trained, run)
    assert rows_of(trained, "restarted.csv") == list(range(120_000))
    assert slots_in_use(trained) == 0


def test_a_night_of_many_batches_finds_no_locked_database(trained: Service) -> None:
    batches = [f"2026-09-{day:02}.csv" for day in range(1, 16)]
    for batch in batches:
        trained.batch(batch, 10)
    night = trained.headlines("nightly", "--corpus", "news")
    assert night.returncode == 0, night.stderr
    assert [rows_of(trained, batch) for batch in batches] == [list(range(10))] * 15
    assert "is locked" not in (trained.instance.logs / "server.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_night_without_a_server_finds_no_locked_database(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    with stopped_at_end(service):
        assert service.headlines("up").returncode == 0  # creates automations, which do most writes
        assert service.headlines("down").returncode == 0
        batches = [f"{number}.csv" for number in range(40)]
        for batch in batches:
            service.batch(batch, 10)
        night = service.headlines("nightly", "--corpus", "news")
    assert night.returncode == 0, night.stderr
    assert [rows_of(service, batch) for batch in batches] == [list(range(10))] * 40
    assert "Traceback" not in night.stderr
    log = service.instance.logs / "embedded-server.log"
    assert "is locked" not in log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_server_crashes_a_pending_run_by_itself(service: Service) -> None:
    run = service.start("nightly/nightly", **NEWS)
    service.wait_for(run, "Pending", "Submitting")
    kill(service, "worker")
    assert service.wait_for(run, "Crashed", "Running") == "Crashed"
    assert slots_in_use(service) == 0
    assert service.headlines("up").returncode == 0


@pytest.mark.slow
def test_down_and_up_in_a_night_crash_it_and_free_the_slot(trained: Service) -> None:
    run, _ = start_until_midway(trained, "down.csv")
    assert trained.headlines("down").returncode == 0
    assert trained.headlines("up").returncode == 0
    assert (trained.state(run), slots_in_use(trained)) == ("Crashed", 0)
    night = trained.start("nightly/nightly", **NEWS)
    assert trained.wait_for(night, "Completed", "Failed", "Crashed") == "Completed"
    assert rows_of(trained, "down.csv") == list(range(120_000))


def test_runs_by_hand_send_heartbeats_as_often_as_watched() -> None:
    settings = "import flows; from prefect.settings import get_current_settings as settings; "
    printed = subprocess.run(
        [sys.executable, "-c", settings + "print(settings().flows.heartbeat_frequency)"],
        env=os.environ | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "180"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(printed.stdout) == HEARTBEAT_SECONDS


BY_HAND = """
import sys
from flows.connection import connect
connect()
from prefect import flow, runtime

@flow
def by_hand():
    print(runtime.flow_run.id, flush=True)
    sys.stdin.read()

by_hand()
"""


@pytest.mark.slow
def test_a_long_run_by_hand_is_never_called_crashed(service: Service) -> None:
    environment = {
        name: value
        for name, value in service.environment.items()
        if name not in ("PREFECT_API_URL", "PREFECT_HOME")
    }
    with psutil.Popen(
        [sys.executable, "-c", BY_HAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=PROJECT,
        text=True,
    ) as process:
        run = process.stdout.readline().strip()

        def heartbeats() -> list[Any]:
            events = service.request(
                "/events/filter",
                filter={
                    "event": {"name": [HEARTBEAT]},
                    "resource": {"id": [f"prefect.flow-run.{run}"]},
                },
            )
            return list(events["events"])

        service.until(lambda: len(heartbeats()) > 4)  # longer than a silence is tolerated
        process.stdin.close()
    assert service.state(run) == "Completed"
    assert "Crashed" not in states_of(service, run)
