"""The persistent server and its worker: deployments run, and killed runs are recovered."""

import http.server
import json
import queue
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
import psutil
import pyarrow.dataset as ds
import pytest
import yaml

from headlines.models import registry
from operations import processes
from operations.instance import PROJECT
from tests.operations.conftest import Service

pytestmark = pytest.mark.integration

NEWS = {"corpus": "news"}


def rows_of(service: Service, batch: str) -> list[int]:
    """The row numbers of a batch's predictions, in file order."""
    directory = service.root.store.path(service.root.predictions_of(batch))
    rows: list[int] = ds.dataset(directory).to_table(columns=["row"])["row"].to_pylist()
    return rows


def flow_run_process(service: Service) -> psutil.Process:
    """The process of the flow run that is under way, a child of the worker."""
    worker = processes.running(service.instance, "worker")
    assert worker is not None
    children = psutil.Process(worker.pid).children()
    return next(child for child in children if "prefect.engine" in child.cmdline())


def start_until_midway(service: Service, batch: str) -> tuple[str, psutil.Process]:
    """Start a night on one batch; return its run and process once a chunk is scored."""
    service.batch(batch, 120_000)
    run = service.start("nightly/nightly", **NEWS)
    chunks = service.root.store.work / "chunks"
    service.until(lambda: chunks.is_dir() and any(chunks.iterdir()))
    return run, flow_run_process(service)


def retry(service: Service, run: str) -> None:
    """Retry a crashed run until it is completed.

    Its worker reports it as crashed once more when it sees that the process has ended: a retry
    before that is lost, and is made again.
    """

    def completed() -> bool:
        if service.state(run) == "Crashed":
            service.prefect("flow-run", "retry", run)
        return service.state(run) == "Completed"

    service.until(completed)


def test_up_twice_changes_nothing_and_status_is_good(service: Service) -> None:
    before = [processes.running(service.instance, name) for name in ("server", "worker")]
    again = service.headlines("up")
    assert again.returncode == 0, again.stderr
    assert [processes.running(service.instance, name) for name in ("server", "worker")] == before
    status = json.loads(service.headlines("status", "--json").stdout)
    assert all(check["good"] for check in status if check["name"] != "schedule"), status
    assert {check["name"] for check in status} == {
        "server", "schedule", "worker", "runs", "last night", "reviewed", "disk", "alerts",
    }  # fmt: skip
    automations = service.request("/automations/filter", limit=200)
    assert sum("heartbeat" in automation["name"] for automation in automations) == 1


def test_the_server_listens_only_on_loopback(service: Service) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.port == service.instance.port
    ]
    assert listening == ["127.0.0.1"]


KNOWN_KEYS = {
    "name", "description", "entrypoint", "parameters", "schedules", "concurrency_limit",
    "work_pool",
}  # fmt: skip


def test_every_key_of_prefect_yaml_is_on_the_server(service: Service) -> None:
    for wanted in yaml.safe_load((PROJECT / "prefect.yaml").read_text("utf-8"))["deployments"]:
        assert wanted.keys() <= KNOWN_KEYS, "compare this key below too"
        flow = wanted["entrypoint"].rpartition(":")[2].replace("_", "-")
        deployed = service.deployment(f"{flow}/{wanted['name']}")
        assert deployed["entrypoint"] == wanted["entrypoint"]
        assert deployed["description"] == wanted["description"]
        assert deployed["enforce_parameter_schema"] is True
        assert deployed["parameters"] == wanted.get("parameters", {})
        schedules = [
            {
                "cron": schedule["schedule"]["cron"],
                "timezone": schedule["schedule"]["timezone"],
                "active": schedule["active"],
            }
            for schedule in deployed["schedules"]
        ]
        assert schedules == [
            {"active": True} | schedule for schedule in wanted.get("schedules", [])
        ]
        limit = wanted.get("concurrency_limit", {})
        assert (deployed["global_concurrency_limit"] or {}).get("limit") == limit.get("limit")
        options = deployed["concurrency_options"] or {}
        assert options.get("collision_strategy") == limit.get("collision_strategy")
        assert deployed["work_pool_name"] == wanted["work_pool"]["name"]
        assert deployed["job_variables"] == wanted["work_pool"]["job_variables"]
        properties = deployed["parameter_openapi_schema"]["properties"]
        assert all(parameter.get("description") for parameter in properties.values()), properties


def test_the_schedule_creates_runs(service: Service) -> None:
    deployment = service.deployment("nightly/nightly")["id"]

    def scheduled() -> list[Any]:
        runs = service.request(
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
    names = [run["name"] for run in trained.request("/flow_runs/filter", limit=50)]
    assert names.count("score by-hand.csv") == 2  # the run, and that of its one batch


def test_loopback_is_not_sent_through_a_proxy(
    trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:  # answers nobody
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert trained.headlines("alerts").returncode == 0
        done = trained.headlines("score", str(trained.batch("behind-a-proxy.csv", 5)))
        assert done.returncode == 0, done.stderr
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_one_click_on_a_run_opens_its_report(trained: Service) -> None:
    run = trained.start("nightly/nightly", **NEWS)
    assert trained.wait_for(run, "Completed", "Failed") == "Completed"
    artifacts = trained.request("/artifacts/filter", flow_runs={"id": {"any_": [run]}}, limit=50)
    [link] = [a["data"] for a in artifacts if a["key"] == "night-report-file"]
    url = link.partition("](")[2].removesuffix(")")
    assert url.startswith(f"{trained.instance.url}/files/reports/nightly/")
    with httpx.Client(trust_env=False) as client:
        shown = client.get(url)
        assert (shown.status_code, shown.headers["content-type"]) == (
            200, "text/html; charset=utf-8",
        )  # fmt: skip
        [evaluation, *_] = trained.root.store.list_artifacts(trained.root.evaluations)
        page = f"{trained.instance.url}/files/{evaluation}/report.html"
        tables = re.findall(r'href="(\w+\.csv)"', client.get(page).text)
        assert tables
        for table in tables:
            assert client.get(urljoin(page, table)).status_code == 200
        model = registry.versions(trained.root)[0]
        for hidden in (f"models/{model}/_manifest.json", "reports/../.prefect/prefect.db"):
            assert client.get(f"{trained.instance.url}/files/{hidden}").status_code == 404


def test_up_resets_what_was_changed_on_the_server(service: Service) -> None:
    def active() -> list[bool]:
        return [s["active"] for s in service.deployment("nightly/nightly")["schedules"]]

    [schedule] = service.deployment("nightly/nightly")["schedules"]
    service.prefect("deployment", "schedule", "pause", "nightly/nightly", schedule["id"])
    assert active() == [False]
    assert service.headlines("up").returncode == 0
    assert active() == [True]


def test_last_night_is_no_run_by_hand(trained: Service) -> None:
    backfill = trained.start("nightly/backfill", **NEWS, last_day="1999-01-01")
    assert trained.wait_for(backfill, "Completed", "Failed") == "Completed"
    [night] = [
        check
        for check in json.loads(trained.headlines("status", "--json").stdout)
        if check["name"] == "last night"
    ]
    assert night["message"] == "none yet"


def test_a_run_without_files_is_rejected(trained: Service) -> None:
    done = trained.prefect("deployment", "run", "score/score", "--param", "files=[]")
    assert done.returncode != 0
    assert "files" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "parameters",
    [{"max_reject_rate": "many"}, {"max_reject_rate": 2}, {"long_titles": "keep"}, {"unknown": 1}],
)
def test_invalid_parameters_are_rejected_before_a_run(
    service: Service, parameters: dict[str, Any]
) -> None:
    def runs_by_hand() -> list[str]:  # the schedule makes others meanwhile
        nightly = {"id": {"any_": [service.deployment("nightly/nightly")["id"]]}}
        runs = service.request("/flow_runs/filter", deployments=nightly)
        return sorted(run["id"] for run in runs if not run["auto_scheduled"])

    before = runs_by_hand()
    options = [
        part
        for name, value in parameters.items()
        for part in ("--param", f"{name}={json.dumps(value)}")
    ]
    done = service.prefect("deployment", "run", "nightly/nightly", *options)
    assert done.returncode != 0
    assert runs_by_hand() == before


def test_a_killed_flow_crashes_and_its_retry_completes(trained: Service) -> None:
    run, process = start_until_midway(trained, "killed.csv")
    process.kill()
    assert trained.wait_for(run, "Crashed", "Completed", "Failed") == "Crashed"
    assert trained.root.store.manifest(trained.root.predictions_of("killed.csv")) is None
    retry(trained, run)
    assert rows_of(trained, "killed.csv") == list(range(120_000))
    assert not (trained.root.store.directory / "superseded" / "predictions").exists()
    assert re.search(r"predictions of killed\.csv \d: up to date", trained.worker_log())


@pytest.mark.slow
def test_a_flow_killed_with_its_worker_is_marked_crashed(trained: Service) -> None:
    run, process = start_until_midway(trained, "both-killed.csv")
    worker = processes.running(trained.instance, "worker")
    assert worker is not None
    process.kill()
    psutil.Process(worker.pid).kill()
    assert trained.wait_for(run, "Crashed", "Completed", "Failed") == "Crashed"
    assert trained.headlines("up").returncode == 0
    retry(trained, run)
    assert rows_of(trained, "both-killed.csv") == list(range(120_000))


def test_three_overdue_nights_score_each_batch_once(trained: Service) -> None:
    deployment = trained.deployment("nightly/nightly")["id"]
    processes.stop(trained.instance, "worker", 30)
    batches = [f"2026-10-0{day}.csv" for day in (1, 2, 3)]
    for batch in batches:
        trained.batch(batch, 50)
    nights = [
        trained.request(
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
    assert not (trained.root.store.directory / "superseded" / "predictions").exists()


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
            # Two runs of one batch at a time: one scores it, the other waits or is rejected.
            states = [trained.wait_for(run, "Completed", "Failed", "Crashed") for run in runs]
        finally:
            second.terminate()
    assert states.count("Completed") >= len(files)
    assert "Crashed" not in states
    for file in files:
        assert rows_of(trained, file.name) == list(range(30))


@pytest.fixture
def received() -> Iterator[tuple[str, "queue.Queue[dict[str, str]]"]]:
    """An endpoint on loopback, and the messages posted to it."""
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
    """The body of the next post with such a subject; sometimes Prefect sends one twice."""
    while subject not in (post := posts.get(timeout=60))["subject"]:
        pass
    return post["body"]


def test_a_failed_run_and_a_night_without_batch_alert(
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
