"""The scoring of a batch as one function: where its steps run, and how it ends early."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.commit import commit
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.run_batch import run_batch
from headlines.scoring.score_chunks import score_on_worker
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
