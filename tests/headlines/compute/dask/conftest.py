"""A cluster as people have it: a scheduler and workers, each started by Dask's own commands."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from distributed.security import Security

from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.options import ScoreOptions
from headlines.scoring.run_batch import run_batch
from headlines.scoring.score_chunks import ScoreJob, score_on_worker
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.headlines.scoring.test_scoring import make_champion
from tests.score import score_options

PRELOAD = Path(__file__).with_name("faults_preload.py")
DASK = Path(sys.executable).with_name("dask")
ROWS, CHUNK_ROWS = 430, 40
SMALL = score_options(chunk_rows=CHUNK_ROWS)


@dataclass
class Cluster:
    """A scheduler and its workers on loopback.

    Attributes:
        place: a folder for their files.
        workers: how many.
        settings: of Dask, for all of them, as environment variables.
        memory: that a worker may use.
        nannies: whether something starts workers again.
        certificates: a folder of `ca.pem`, `cert.pem` and `key.pem`, for TLS.
    """

    place: Path
    workers: int
    settings: dict[str, str] = field(default_factory=dict)
    memory: str = "0"
    nannies: bool = True
    certificates: Path | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"{'tls' if self.certificates else 'tcp'}://127.0.0.1:{self.port}"

    @property
    def client_settings(self) -> Settings:
        """Settings that have this cluster do the work."""
        return Settings(runner="dask", scheduler=self.address)

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.processes[0]

    @property
    def orders(self) -> Path:
        """Where a test puts what is to happen to a worker."""
        return self.place / "orders"

    def order(self, name: str, text: str = "") -> Path:
        path = self.orders / name
        path.write_text(text)
        return path

    @contextlib.contextmanager
    def holding(self, chunk: int) -> Iterator[None]:
        """Keep whoever scores a chunk from finishing it."""
        order = self.order(f"hold-{chunk}")
        try:
            yield
        finally:
            order.unlink()

    def start(self) -> "Cluster":
        if not self.port:
            self.orders.mkdir(parents=True)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        here = self.address.rpartition(":")[0]
        self._run("scheduler", "--host", here, "--port", str(self.port), "--idle-timeout", "300")
        for number in range(self.workers):
            self._run(
                "worker", self.address, "--host", here, "--name", f"w{number}",
                "--nthreads", "1", "--memory-limit", self.memory, "--preload", str(PRELOAD),
                "--local-directory", str(self.place / "dask"), "--death-timeout", "60",
                "--nanny" if self.nannies else "--no-nanny",
            )  # fmt: skip
        with Client(
            self.address, security=self._security(), set_as_default=False, timeout=60
        ) as client:
            if self.workers:
                client.wait_for_workers(self.workers, timeout=60)
        return self

    def _security(self) -> Security:
        if self.certificates is None:
            return Security()
        files = {
            "tls_ca_file": "ca.pem",
            "tls_client_cert": "cert.pem",
            "tls_client_key": "key.pem",
        }
        return Security(**{name: str(self.certificates / file) for name, file in files.items()})

    def kill(self) -> None:
        """End all of it at once, without a word to anyone."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def _run(self, *command: str) -> None:
        if self.certificates:
            for option, file in (("ca-file", "ca"), ("cert", "cert"), ("key", "key")):
                command += (f"--tls-{option}", str(self.certificates / f"{file}.pem"))
        environment = {
            **os.environ,
            "HEADLINES_TEST_FAULTS": str(self.orders),
            "DASK_DISTRIBUTED__SCHEDULER__DASHBOARD": "false",
            **self.settings,
        }
        with (self.place / f"{command[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(DASK), *command, "--no-dashboard"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters, which end with the session."""
    started = []

    def start(workers: int, **options: Any) -> Cluster:
        cluster = Cluster(tmp_path_factory.mktemp("cluster"), workers, **options)
        started.append(cluster)
        return cluster.start()

    yield start
    for cluster in started:
        cluster.kill()


@pytest.fixture(scope="session")
def shared_cluster(start_cluster: Callable[..., Cluster]) -> Cluster:
    """Four workers, for tests that leave all of them well."""
    return start_cluster(4)


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared cluster, whole again and without orders of tests before."""
    with Client(shared_cluster.address, set_as_default=False) as client:
        client.wait_for_workers(shared_cluster.workers, timeout=60)
    yield shared_cluster
    for order in shared_cluster.orders.iterdir():
        order.unlink()


@dataclass
class Job:
    """A batch of the test's own with some rows that cannot be used, and a champion.

    Attributes:
        root: the data root.
        batch: the batch.
        options: small chunks.
        reused: how many of the chunks so far had been scored before.
    """

    root: DataRoot
    batch: Batch
    options: ScoreOptions = SMALL
    reused: int = 0

    def use(self, cluster: Cluster) -> None:
        """Have a cluster do the work."""
        self.root = replace(self.root, settings=cluster.client_settings)

    def run(self) -> Artifact:
        """Score it as the flow does, without Prefect and its retries."""
        model = champion.open_champion(self.root)

        def score_and_count(job: ScoreJob) -> Artifact:
            scored = score_on_worker(job)
            self.reused += scored.reused
            return scored

        with ThreadPoolExecutor(64) as threads:

            def submit(step: Callable[..., Any], *arguments: Any) -> "Future[Any]":
                step = score_and_count if step is score_on_worker else step
                return threads.submit(step, *arguments)

            run_batch(self.root, self.batch, model, self.options, submit)
        predictions = self.root.store.open(self.root.predictions_of(self.batch.name))
        assert predictions is not None
        return predictions

    def finished(self) -> int:
        """How many chunks were scored so far."""
        return len(list(self.root.store.work.glob("chunks/*/part.parquet")))


def lines() -> Iterator[str]:
    """A batch in which every 50th row has no title."""
    yield "title,id"
    for row in range(ROWS):
        title = "" if row % 50 == 7 else f"{('小学生获奖', '某地火灾', '天气')[row % 3]}第{row}号"
        yield f"{title},{row}"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Eleven chunks to score."""
    file = tmp_path / "news.csv"
    file.write_text("\n".join(lines()), encoding="utf-8")
    root = DataRoot.open(tmp_path / "data")
    make_champion(root)
    return Job(root, Batch.of_file(root, file))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the predictions by threads of one process."""
    place = tmp_path_factory.mktemp("expected")
    file = place / "news.csv"
    file.write_text("\n".join(lines()), encoding="utf-8")
    root = DataRoot.open(place / "data")
    make_champion(root)
    return digests(Job(root, Batch.of_file(root, file)).run())


def digests(predictions: Artifact) -> dict[str, str]:
    """Digest of every file of the predictions; and the books balance."""
    counts = predictions.counts
    assert counts["rows_in"] == ROWS == counts["scored"] + counts["rejected"]
    assert counts["rejected"] == 9
    return {entry.path: entry.sha256 for entry in predictions.manifest.files}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look for something that another process does, until it is done.

    Raises:
        TimeoutError: it is not.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
