"""The lasting server with its worker: what is deployed runs, and what is killed is made good."""

import contextlib
import http.server
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
import yaml

from headlines.storage.artifact import read_manifest
from operations import processes
from operations.instance import PROJECT
from tests.operations.conftest import Service

pytestmark = pytest.mark.server

NEWS = {"corpus": "news"}


def rows_of(service: Service, batch: str) -> list[int]:
    """The rows of the predictions of a batch, in the order in which they stand there."""
    directory = service.catalog.prediction(batch)
    rows: list[int] = ds.dataset(directory).to_table(columns=["row"])["row"].to_pylist()
    return rows


def engine_of(service: Service) -> int:
    """The process of the flow run that is under way, a child of the worker."""
    worker = processes.running(service.place, "worker")
    assert worker is not None
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_text()
            if parent == worker.pid and "prefect.engine" in command:
                return int(status.parent.name)
    raise LookupError("no flow run is under way")


def start_until_midway(service: Service, batch: str) -> tuple[str, int]:
    """Have a night score a batch; the run and its process, as soon as a piece is scored."""
    service.batch(batch, 120_000)
    run = service.start("nightly/nightly", **NEWS)
    chunks = service.catalog.work / "chunks"
    service.until(lambda: chunks.is_dir() and any(chunks.iterdir()))
    return run, engine_of(service)


def retry(service: Service, run: str) -> None:
    """Have a crashed run go on, until it is completed.

    Its worker calls it crashed once more when it has seen the process end: a retry that came
    before is lost, and asked for again.
    """

    def completed() -> bool:
        if service.state(run) == "Crashed":
            service.prefect("flow-run", "retry", run)
        return service.state(run) == "Completed"

    service.until(completed)


def test_up_twice_changes_nothing_and_status_is_good(service: Service) -> None:
    before = [processes.running(service.place, name) for name in ("server", "worker")]
    again = service.headlines("up")
    assert again.returncode == 0, again.stderr
    assert [processes.running(service.place, name) for name in ("server", "worker")] == before
    status = json.loads(service.headlines("status", "--json").stdout)
    assert all(check["good"] for check in status if check["name"] != "schedule"), status
    assert {check["name"] for check in status} == {
        "server", "schedule", "worker", "last night", "alerts",
    }  # fmt: skip
    automations = service.ask("/automations/filter", limit=200)
    assert len([one for one in automations if "heartbeat" in one["name"]]) == 1


def test_the_server_listens_on_loopback_alone(service: Service) -> None:
    listening = []
    for table in ("tcp", "tcp6"):  # see proc(5): the address in hexadecimal, state 0A is LISTEN
        rows = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
        addresses = [row[1].split(":") for row in rows if row[3] == "0A"]
        listening += [address for address, port in addresses if int(port, 16) == service.place.port]
    assert listening == ["0100007F"]


KNOWN = {
    "name", "description", "entrypoint", "parameters", "schedules", "concurrency_limit",
    "work_pool",
}  # fmt: skip


def test_every_key_of_the_file_is_on_the_server(service: Service) -> None:
    for wanted in yaml.safe_load((PROJECT / "prefect.yaml").read_text("utf-8"))["deployments"]:
        assert wanted.keys() <= KNOWN, "compare this key below too"
        flow = wanted["entrypoint"].rpartition(":")[2].replace("_", "-")
        found = service.deployment(f"{flow}/{wanted['name']}")
        assert found["entrypoint"] == wanted["entrypoint"]
        assert found["description"] == wanted["description"]
        assert found["enforce_parameter_schema"] is True
        assert found["parameters"] == wanted.get("parameters", {})
        schedules = [
            {
                "cron": one["schedule"]["cron"],
                "timezone": one["schedule"]["timezone"],
                "active": one["active"],
            }
            for one in found["schedules"]
        ]
        assert schedules == [{"active": True} | one for one in wanted.get("schedules", [])]
        limit = wanted.get("concurrency_limit", {})
        assert (found["global_concurrency_limit"] or {}).get("limit") == limit.get("limit")
        options = found["concurrency_options"] or {}
        assert options.get("collision_strategy") == limit.get("collision_strategy")
        assert found["work_pool_name"] == wanted["work_pool"]["name"]
        assert found["job_variables"] == wanted["work_pool"]["job_variables"]
        properties = found["parameter_openapi_schema"]["properties"]
        assert all(one.get("description") for one in properties.values()), properties


def test_the_schedule_makes_runs(service: Service) -> None:
    deployment = service.deployment("nightly/nightly")["id"]

    def scheduled() -> list[Any]:
        runs = service.ask(
            "/deployments/get_scheduled_flow_runs", deployment_ids=[deployment], limit=5
        )
        return list(runs)

    service.until(lambda: len(scheduled()) > 1)
    for run in scheduled():
        assert run["expected_start_time"].startswith(run["expected_start_time"][:11] + "18:30:00")


def test_a_deployed_night_scores_the_inbox(trained: Service) -> None:
    trained.batch("2026-11-20.csv", 20)
    done = trained.prefect(
        "deployment", "run", "nightly/nightly", "--param", "corpus=news", "--watch"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Completed" in done.stdout
    assert rows_of(trained, "2026-11-20.csv") == list(range(20))


def test_a_command_by_hand_uses_the_server(trained: Service) -> None:
    file = trained.batch("by-hand.csv", 5)
    done = trained.headlines("score", str(file))
    assert done.returncode == 0, done.stderr
    assert "temporary server" not in done.stderr
    names = [run["name"] for run in trained.ask("/flow_runs/filter", limit=50)]
    assert names.count("score by-hand.csv") == 2  # the run, and that of its one batch


@pytest.mark.parametrize(
    "parameters",
    [{"max_reject_rate": "many"}, {"max_reject_rate": 2}, {"long_titles": "keep"}, {"unknown": 1}],
)
def test_bad_parameters_are_refused_before_a_run_starts(
    service: Service, parameters: dict[str, Any]
) -> None:
    deployment = service.deployment("nightly/nightly")["id"]
    before = service.ask("/flow_runs/count", deployments={"id": {"any_": [deployment]}})
    given = [
        part
        for name, value in parameters.items()
        for part in ("--param", f"{name}={json.dumps(value)}")
    ]
    done = service.prefect("deployment", "run", "nightly/nightly", *given)
    assert done.returncode != 0
    assert service.ask("/flow_runs/count", deployments={"id": {"any_": [deployment]}}) == before


def test_a_killed_flow_crashes_and_its_retry_finishes_it(trained: Service) -> None:
    run, engine = start_until_midway(trained, "killed.csv")
    os.kill(engine, signal.SIGKILL)
    assert trained.wait_for(run, "Crashed", "Completed", "Failed") == "Crashed"
    assert read_manifest(trained.catalog.prediction("killed.csv")) is None
    retry(trained, run)
    assert rows_of(trained, "killed.csv") == list(range(120_000))
    assert not (trained.catalog.root / "superseded" / "predictions").exists()
    assert re.search(r"predictions of killed\.csv \d: up to date", trained.worker_log())


@pytest.mark.slow
def test_a_flow_killed_with_its_worker_is_found_by_its_heartbeat(trained: Service) -> None:
    run, engine = start_until_midway(trained, "both-killed.csv")
    worker = processes.running(trained.place, "worker")
    assert worker is not None
    os.kill(engine, signal.SIGKILL)
    os.kill(worker.pid, signal.SIGKILL)
    assert trained.wait_for(run, "Crashed", "Completed", "Failed") == "Crashed"
    assert trained.headlines("up").returncode == 0
    retry(trained, run)
    assert rows_of(trained, "both-killed.csv") == list(range(120_000))


def test_three_overdue_nights_score_each_batch_once(trained: Service) -> None:
    deployment = trained.deployment("nightly/nightly")["id"]
    processes.stop(trained.place, "worker", 30)
    batches = [f"2026-10-0{day}.csv" for day in (1, 2, 3)]
    for batch in batches:
        trained.batch(batch, 50)
    nights = [
        trained.ask(
            f"/deployments/{deployment}/create_flow_run",
            parameters=NEWS,
            state={
                "type": "SCHEDULED",
                "state_details": {
                    "scheduled_time": (datetime.now(UTC) - timedelta(days=day)).isoformat()
                },
            },
        )["id"]
        for day in (3, 2, 1)
    ]
    assert trained.headlines("up").returncode == 0
    assert [trained.wait_for(night, "Completed", "Failed") for night in nights] == ["Completed"] * 3
    for batch in batches:
        assert rows_of(trained, batch) == list(range(50))
    assert not (trained.catalog.root / "superseded" / "predictions").exists()


def test_two_workers_share_the_runs(trained: Service) -> None:
    files = [trained.batch(f"shared-{number}.csv", 30) for number in range(2)]
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "headlines"]
    with subprocess.Popen(
        [*command, "--name", "second", "--install-policy", "never"],
        cwd=PROJECT,
        env=trained.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as second:
        try:
            runs = [trained.start("score/score", files=[str(file)]) for file in (*files, *files)]
            # Two runs of one batch at a time: one scores it, the other waits or is refused.
            ends = [trained.wait_for(run, "Completed", "Failed", "Crashed") for run in runs]
        finally:
            second.terminate()
    assert ends.count("Completed") >= len(files)
    assert "Crashed" not in ends
    for file in files:
        assert rows_of(trained, file.name) == list(range(30))


@pytest.fixture
def received() -> Iterator[tuple[str, "queue.Queue[dict[str, str]]"]]:
    """An endpoint on loopback, and what was posted to it."""
    posts: queue.Queue[dict[str, str]] = queue.Queue()

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Endpoint) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{endpoint.server_port}/", posts
        endpoint.shutdown()


BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
block = CustomWebhookNotificationBlock(
    name="test", url=sys.argv[1], json_data={"subject": "{{subject}}", "body": "{{body}}"})
block.save("test", overwrite=True)
"""


def body_of_post(posts: "queue.Queue[dict[str, str]]", subject: str) -> str:
    """The body of the next post with such a subject; now and then Prefect sends one twice."""
    while subject not in (post := posts.get(timeout=60))["subject"]:
        pass
    return post["body"]


def test_an_alert_is_sent_when_a_run_fails_or_no_batch_came(
    trained: Service, received: tuple[str, "queue.Queue[dict[str, str]]"]
) -> None:
    url, posts = received
    subprocess.run([sys.executable, "-c", BLOCK, url], env=trained.environment, check=True)
    unknown = trained.headlines("alerts", "slack-webhook/nobody")
    assert unknown.returncode == 2
    assert "no notification block" in unknown.stderr
    assert trained.headlines("alerts", "custom-webhook/test").returncode == 0
    try:
        run = trained.start("score/score", files=["/nowhere.csv"])
        assert trained.wait_for(run, "Failed", "Completed") == "Failed"
        body = body_of_post(posts, "Failed")
        assert "/nowhere.csv: no such file" in body

        night = trained.start(
            "nightly/nightly", **NEWS, first_day="1999-01-01", last_day="1999-01-02"
        )
        assert trained.wait_for(night, "Completed", "Failed") == "Completed"
        assert "reports/nightly" in body_of_post(posts, "no batch")
    finally:
        assert trained.headlines("alerts", "--off").returncode == 0
    assert "off" in trained.headlines("alerts").stdout
