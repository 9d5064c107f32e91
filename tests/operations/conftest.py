"""A persistent server and worker on a data root with a small corpus and a model."""

import contextlib
import csv
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from headlines.corpus.ingest import ingest
from headlines.storage.data_root import DataRoot
from operations.instance import PROJECT, PrefectInstance
from tests.factories import write_corpus

WAIT_SECONDS = 240
# Half a minute until a run's turn is fine for a person, too long for a test.
SHORT_WAITS = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
}


@dataclass(frozen=True)
class Service:
    """The running server of a data root, used by commands and by its API."""

    instance: PrefectInstance

    @property
    def root(self) -> DataRoot:
        return DataRoot.open(self.instance.data_root)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **SHORT_WAITS,
            "HEADLINES_DATA": self.instance.data_root,
            "HEADLINES_PORT": str(self.instance.port),
            "PREFECT_HOME": str(self.instance.home),
            "PREFECT_API_URL": self.instance.api_url,
        }

    def headlines(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `headlines`, which must find the server by itself."""
        environment = self.environment
        for name in ("PREFECT_API_URL", "PREFECT_HOME"):
            del environment[name]
        return self._run([sys.executable, "-m", "flows", *arguments], environment)

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", "prefect", *arguments], self.environment)

    def _run(
        self, command: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
        )

    def request(self, path: str, **body: Any) -> Any:
        """The API's answer to a POST with a body, or to a GET without one."""
        with httpx.Client(base_url=self.instance.api_url, trust_env=False, timeout=90) as client:
            while True:
                response = client.post(path, json=body) if body else client.get(path)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # SQLite was locked
                    break
            response.raise_for_status()
            return response.json() if response.content else None

    def deployment(self, name: str) -> Any:
        return self.request(f"/deployments/name/{name}")

    def start(self, name: str, **parameters: Any) -> str:
        """Start a run of a deployment; return its id."""
        deployment = self.deployment(name)["id"]
        run = self.request(f"/deployments/{deployment}/create_flow_run", parameters=parameters)
        return str(run["id"])

    def state(self, run: str) -> str:
        return str(self.request(f"/flow_runs/{run}")["state_name"])

    def worker_log(self) -> str:
        return (self.instance.logs / "worker.log").read_text(encoding="utf-8")

    def wait_for(self, run: str, *states: str) -> str:
        """Wait until a run is in one of these states; return which."""
        self.until(lambda: self.state(run) in states)
        return self.state(run)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until other processes have made a condition true.

        Raises:
            TimeoutError: they have not in `WAIT_SECONDS`.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker's log ends with\n{self.worker_log()[-4000:]}")
            time.sleep(0.1)

    def batch(self, name: str, rows: int) -> Path:
        """Put a batch into the inbox whose upload ended an hour ago."""
        path = self.root.store.path(self.root.inbox) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "title"])
            writer.writerows((f"n{n}", f"小学生获奖第{n}号") for n in range(rows))
        an_hour_ago = time.time() - 3600
        os.utime(path, (an_hour_ago, an_hour_ago))
        return path


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def service_in(directory: Path) -> Service:
    """A service that is not started yet, with a corpus in its data root."""
    root = DataRoot.open(directory / "data")
    ingest(root, "news", str(write_corpus(directory / "news.csv", 120)))
    return Service(PrefectInstance(root.url, free_port()))


@contextlib.contextmanager
def stopped_at_end(service: Service) -> Iterator[None]:
    """Stops a service when the block ends."""
    try:
        yield
    finally:
        service.headlines("down")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = service_in(tmp_path_factory.mktemp("service"))
    with stopped_at_end(running):
        done = running.headlines("up")
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="session")
def trained(service: Service) -> Service:
    """The service after its first night, which has trained a model."""
    done = service.prefect(
        "deployment", "run", "nightly/nightly", "--param", "corpus=news", "--watch"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return service
