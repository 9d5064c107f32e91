"""Work on a real cluster: the same bytes as anywhere, and clear errors about bad workers."""

import itertools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client

from headlines.compute import executors
from headlines.corpus.ingest import IngestSizes, ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation import held_out
from headlines.evaluation.evaluate import evaluate
from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from operations.doctor import check_cluster
from tests.headlines.conftest import publish_model
from tests.headlines.scoring.test_scoring import make_champion
from tests.score import score_options

from .conftest import CHUNK_ROWS, Cluster, Job, digests, lines, until

__all__ = ["publish_model"]


def test_workers_give_the_same_bytes_without_prefect(
    cluster: Cluster, job: Job, expected: dict[str, str]
) -> None:
    job.use(cluster)
    assert digests(job.run()) == expected
    assert not list(job.root.store.work.glob("chunks/*"))
    pool = executors.executor(2, cluster.client_settings)
    look = "sorted({name.partition('.')[0] for name in __import__('sys').modules})"
    seen = [pool.submit(eval, look) for _ in range(16)]
    for modules in (one.result() for one in seen):
        assert {"headlines", "distributed"} <= set(modules)
        assert {"prefect", "tensorflow", "keras", "fastapi", "sqlalchemy", "jieba"}.isdisjoint(
            modules
        )


def test_files_that_workers_read_give_the_same_bytes(cluster: Cluster, job: Job) -> None:
    header, *rows = lines()
    folder = job.root.store.directory / job.root.inbox / "news.csv"
    folder.mkdir(parents=True)
    for number in range(5):
        part = "\n".join([header, *rows[100 * number : 100 * number + 100]])
        (folder / f"part-{number}.csv").write_text(part, encoding="utf-8")
    options = score_options(chunk_rows=CHUNK_ROWS, read_group_bytes=1_000)
    job = Job(job.root, Batch.of_folder(job.root, folder), options)
    job.use(cluster)
    found = digests(job.run())
    assert not list(job.root.store.work.glob("admitted/*"))
    job.root.store.remove(job.root.predictions_of("news.csv"))
    job.root = DataRoot.open(job.root.url)
    assert digests(job.run()) == found


def test_tokens_of_a_corpus_in_parts_are_the_same(
    cluster: Cluster,
    job: Job,
    corpus_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from headlines.corpus import tokens

    monkeypatch.setattr(tokens, "_READ_ROWS", 10)  # small parts are worth a worker too
    corpus = ingest(job.root, "small", str(corpus_file))
    before = segment_corpus(job.root, corpus)
    shutil.rmtree(before.directory)
    shutil.rmtree(job.root.store.directory / job.root.token_cache)
    job.use(cluster)
    again = segment_corpus(job.root, corpus)
    assert not again.reused
    assert again.manifest.files == before.manifest.files
    assert len(again.manifest.files) == 3


def test_corpus_and_evaluation_in_parts_are_the_same(
    cluster: Cluster,
    tmp_path: Path,
    corpus_file: Path,
    publish_model: Callable[..., Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_out, "_MIN_WORKER_ROWS", 1)
    root = DataRoot.open(tmp_path / "data")
    model = publish_model(root, "m")
    made: list[tuple[Artifact, Artifact]] = []
    for settings in (root.settings, cluster.client_settings):
        root = replace(root, settings=settings)
        for artifact in itertools.chain.from_iterable(made):
            shutil.rmtree(artifact.directory)
        # Parts small enough to be worth a worker each.
        sizes = IngestSizes(part_rows=10, worker_rows=1)
        corpus = ingest(root, "small", str(corpus_file), sizes=sizes)
        words = segment_corpus(root, corpus)
        made.append((corpus, evaluate(root, model, corpus, words)))
    for before, again in zip(*made, strict=True):
        assert not again.reused
        assert again.manifest.files == before.manifest.files
    assert len(made[0][0].manifest.files) == 10
    assert not list(root.store.work.glob("chunks/*"))


def test_the_same_call_again_sees_changed_files(cluster: Cluster, tmp_path: Path) -> None:
    pool, file = executors.executor(2, cluster.client_settings), tmp_path / "file"
    file.write_text("old")
    first = pool.submit(Path.read_text, file)
    assert first.result() == "old"
    file.write_text("new")
    second = pool.submit(Path.read_text, file)
    assert (first.result(), second.result()) == ("old", "new")


def test_a_worker_with_other_code_is_refused(
    cluster: Cluster, job: Job, expected: dict[str, str]
) -> None:
    job.use(cluster)
    order = cluster.order("other-code-w2")
    with pytest.raises(InputError, match="differs from the run") as caught:
        job.run()
    assert "code 00000000 instead of" in caught.value.problem
    assert "rjieba 0.0.1 instead of" in caught.value.problem
    assert "worker tcp://127.0.0.1:" in caught.value.location
    assert "restart the worker" in caught.value.hint
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    order.unlink()  # it was started again
    assert digests(job.run()) == expected


def test_a_worker_with_a_different_model_is_refused(
    cluster: Cluster,
    job: Job,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    job.use(cluster)
    other = make_champion(DataRoot.open(tmp_path / "elsewhere"), seed=1)
    assert other.manifest.key == champion.open_champion(job.root).manifest.key
    order = cluster.order("other-model-w1", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="a different copy of the model") as caught:
        job.run()
    assert str(other.directory) in caught.value.location
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    order.unlink()
    assert digests(job.run()) == expected


def test_a_worker_killed_during_a_chunk_costs_nothing(
    cluster: Cluster, job: Job, expected: dict[str, str]
) -> None:
    job.use(cluster)
    order = cluster.order("die")
    assert digests(job.run()) == expected
    assert not order.exists()


def test_the_scheduler_holds_at_most_a_window(cluster: Cluster) -> None:
    pool, window, most = executors.executor(2, cluster.client_settings), 6, 0
    with Client(cluster.address, set_as_default=False) as other:

        def held() -> int:
            count: int = other.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
            return count

        until(lambda: held() == 0)
        for number, result in enumerate(executors.bounded_map(pool, abs, range(200), window)):
            assert result == number
            if number % 10 == 0:
                # Those that were had are forgotten a moment later.
                until(lambda: held() <= window)
                most = max(most, held())
        assert most > 0
        until(lambda: held() == 0)


def test_the_doctor_checks_every_worker(cluster: Cluster, job: Job) -> None:
    assert check_cluster(Settings()) == "not used (HEADLINES_RUNNER=threads)"
    settings = replace(cluster.client_settings, data=job.root.url)
    assert check_cluster(settings) == f"4 workers, {cluster.address}, of this version"
    order = cluster.order("other-code-w3")
    with pytest.raises(InputError, match=r"another version .code 00000000"):
        check_cluster(settings)
    order.unlink()
    with pytest.raises(InputError, match="does not see the data root"):
        check_cluster(replace(settings, data=f"{job.root.url}/nowhere"))


ENDED = """
import os, signal
from headlines.compute.executors import executor
from headlines.settings import Settings
settings = Settings(runner="dask", workers=2)
pools = [executor(2, settings) for _ in range(2)]
assert pools[0] is pools[1]
print(pools[0].submit(eval, "__import__('headlines').segment(['股市大涨'])").result(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_local_cluster_ends_with_its_process() -> None:
    process = subprocess.run(
        [sys.executable, "-c", ENDED],
        capture_output=True,  # scheduler and workers hold the pipe too: it ends when all are gone
        text=True,
        timeout=120,
    )
    assert process.stdout == "[['股市', '大涨']]\n"
    assert process.stderr == ""
    assert process.returncode == -signal.SIGKILL
