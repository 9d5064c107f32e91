"""A part of the cluster is lost or late: the right result, or a clear error without hanging."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from headlines.compute import executors
from headlines.compute.dask import executor
from headlines.errors import ClusterError, InputError
from headlines.scoring import run_batch
from headlines.storage.cleanup import clean_drafts

from .conftest import Cluster, Job, digests, until

pytestmark = pytest.mark.slow


def test_a_run_after_a_killed_scheduler_resumes(
    start_cluster: Callable[..., Cluster],
    job: Job,
    expected: dict[str, str],
) -> None:
    cluster = start_cluster(2)
    job.use(cluster)
    with ThreadPoolExecutor(1) as runs, cluster.holding(5):
        run = runs.submit(job.run)
        until(lambda: (cluster.orders / "begun-5").exists())
        cluster.scheduler.kill()
        with pytest.raises(ClusterError, match=f"scheduler at {cluster.address} was lost"):
            run.result(timeout=60)
    finished = job.finished()
    assert finished > 0
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    with pytest.raises(ClusterError, match=r"does not answer|was lost"):
        job.run()  # at once: it does not hang
    cluster.kill()
    cluster.start()
    job.reused = 0
    assert digests(job.run()) == expected
    assert job.reused >= finished


_RUN = """
import sys
from pathlib import Path
from headlines.scoring.batch import Batch
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tests.headlines.compute.dask.conftest import Job
root = DataRoot.open(sys.argv[1], Settings(runner="dask", scheduler=sys.argv[3]))
Job(root, Batch.of_file(root, Path(sys.argv[2]))).run()
"""


def test_a_run_resumes_where_one_was_killed(
    start_cluster: Callable[..., Cluster],
    job: Job,
    expected: dict[str, str],
) -> None:
    cluster = start_cluster(2)
    job.use(cluster)
    with cluster.holding(5):
        arguments = (job.root.url, str(job.batch.path), cluster.address)
        run = subprocess.Popen(
            [sys.executable, "-c", _RUN, *arguments],
            cwd=Path(__file__).parents[4],
        )
        until(lambda: (cluster.orders / "begun-5").exists())
        run.kill()
        run.wait()
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    finished = job.finished()
    assert finished > 0
    # What a worker was at is published all the same, or was never begun.
    assert digests(job.run()) == expected
    assert job.reused >= finished
    until(
        lambda: (
            not list(job.root.store.work.glob("draft-*")) or not clean_drafts(job.root.store.work)
        )
    )
    assert not list(job.root.store.work.glob(f"draft-*-{run.pid}-*"))


def test_a_call_out_of_memory_is_reported(
    start_cluster: Callable[..., Cluster],
    job: Job,
    expected: dict[str, str],
) -> None:
    cluster = start_cluster(
        2, memory="500MB", settings={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    )
    job.use(cluster)
    order = cluster.order("eat-4")
    with pytest.raises(ClusterError, match=r"2 workers died .* run out of memory"):
        job.run()
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    order.unlink()
    assert digests(job.run()) == expected


def test_a_straggler_that_comes_back_changes_nothing(
    start_cluster: Callable[..., Cluster],
    job: Job,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Few in flight: the chunk that is held comes last, and holds up no other one.
    monkeypatch.setattr(run_batch, "MIN_IN_FLIGHT", 1)
    # Without nannies: those would end a worker that stands still, and then it cannot come back.
    settings = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
    cluster = start_cluster(2, nannies=False, settings=settings)
    job.use(cluster)
    cluster.order("stop")
    with ThreadPoolExecutor(1) as runs:
        with cluster.holding(10):
            run = runs.submit(job.run)
            until((cluster.orders / "stopped").exists)
            straggler = psutil.Process(int((cluster.orders / "stopped").read_text()))
            # The scheduler gives its piece to the other worker, which does all but the last.
            until(lambda: job.finished() == 10)
            assert drafts_of(job, straggler)
            straggler.resume()
            until(lambda: not drafts_of(job, straggler))
        assert digests(run.result(timeout=60)) == expected


def test_a_cluster_without_workers_is_reported(
    start_cluster: Callable[..., Cluster],
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(executor, "_NO_WORKERS_SECONDS", 2)
    cluster = start_cluster(1)
    job.use(cluster)
    executors.executor(2, cluster.client_settings)
    os.killpg(cluster.processes[1].pid, signal.SIGKILL)
    with pytest.raises(ClusterError, match="has had no workers"):
        job.run()


def test_a_scheduler_that_is_not_there_is_an_input_error(job: Job, tmp_path: Path) -> None:
    nowhere = Cluster(tmp_path, 0, port=9)  # the port of a service that nobody runs
    job.use(nowhere)
    with pytest.raises(InputError, match="does not answer") as caught:
        job.run()
    assert caught.value.location == f"HEADLINES_DASK={nowhere.address}"


def drafts_of(job: Job, worker: psutil.Process) -> list[Path]:
    return list(job.root.store.work.glob(f"draft-*-{worker.pid}-*"))
