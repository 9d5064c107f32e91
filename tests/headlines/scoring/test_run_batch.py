"""The scoring of a batch as one function: where its steps run, and how it ends early."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import ChunkRef
from headlines.scoring.commit import commit
from headlines.scoring.prepare import OnChunk, prepare_batch
from headlines.scoring.run_batch import MIN_IN_FLIGHT, run_batch, score_while_reading
from headlines.scoring.score_chunks import score_on_worker
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.headlines.scoring.test_scoring import make_champion
from tests.score import run, score_options

OPTIONS = score_options(chunk_rows=2)


@pytest.fixture
def batch(root: DataRoot, tmp_path: Path) -> Batch:
    """A batch of twenty chunks."""
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n" + "\n".join(f"第{row}号喜讯" for row in range(40)), encoding="utf-8")
    return Batch.of_file(root, file)


def test_the_commit_runs_in_the_thread_that_holds_the_claim(root: DataRoot, batch: Batch) -> None:
    threads: dict[Callable[..., Any], threading.Thread] = {}

    def call(step: Callable[..., Any], *arguments: Any) -> Any:
        threads[step] = threading.current_thread()
        return step(*arguments)

    with ThreadPoolExecutor(64) as pool:
        model = champion.open_champion(root)
        result = run_batch(root, batch, model, OPTIONS, pool.submit, call)
    assert (result.outcome, result.scored) == ("scored", 40)
    assert threads == {commit: threading.current_thread()}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_reading_stops_when_the_run_ends_early(
    root: DataRoot, batch: Batch, error: type[BaseException]
) -> None:
    started: dict[Callable[..., Any], Future[Any]] = {}
    second_chunk = threading.Event()

    def submit(step: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        if step is score_on_worker:
            second_chunk.set()
            raise error
        *others, on_chunk = arguments

        def report(chunk: Any) -> None:
            on_chunk(chunk)
            assert second_chunk.wait(60)  # the run has ended before another chunk is read

        started[step] = pool.submit(step, *others, report)
        return started[step]

    with ThreadPoolExecutor(64) as pool:
        with pytest.raises(error):
            run_batch(root, batch, champion.open_champion(root), OPTIONS, submit)
        with pytest.raises(RuntimeError, match="ended early"):
            started[prepare_batch].result(60)
    assert run(root, batch, OPTIONS).scored == 40


def test_a_failed_reading_waits_for_the_chunks_in_flight(root: DataRoot, batch: Batch) -> None:
    scored = threading.Event()
    finished = []

    def read(on_chunk: OnChunk) -> "Future[Artifact]":
        def report_and_fail() -> Artifact:
            prepare_batch(root, batch, OPTIONS, on_chunk)
            raise OSError("the disk is gone")

        return pool.submit(report_and_fail)

    def score(chunk: ChunkRef) -> "Future[None]":
        def finish() -> None:
            assert scored.wait(60)
            finished.append(chunk.number)

        if chunk.number == MIN_IN_FLIGHT - 1:
            scored.set()
        return pool.submit(finish)

    with ThreadPoolExecutor(64) as pool:
        with pytest.raises(OSError, match="the disk is gone"):
            score_while_reading(read, score, Settings())
        assert len(finished) == 20


class _EndsWhenWaitedFor(Future[None]):
    def result(self, timeout: float | None = None) -> None:
        if not self.done():
            self.set_result(None)


def test_only_so_many_chunks_are_in_flight(root: DataRoot, batch: Batch) -> None:
    started: list[Future[None]] = []
    in_flight = []

    def score(chunk: ChunkRef) -> "Future[None]":
        started.append(_EndsWhenWaitedFor())
        in_flight.append(sum(not future.done() for future in started))
        return started[-1]

    with ThreadPoolExecutor(1) as pool:

        def read(on_chunk: OnChunk) -> "Future[Artifact]":
            return pool.submit(prepare_batch, root, batch, OPTIONS, on_chunk)

        score_while_reading(read, score, Settings())
    assert (len(started), max(in_flight)) == (20, MIN_IN_FLIGHT + 1)


def test_scoring_again_with_the_same_model_reuses_the_predictions(
    root: DataRoot, batch: Batch
) -> None:
    assert run(root, batch, OPTIONS).outcome == "scored"
    assert run(root, batch, OPTIONS, rescore=True).outcome == "reused"
