"""The jobs of `victim.py` that score a batch."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from failing_writes import Control, Phase  # this folder is on the path of `victim.py`

from headlines.compute import executors
from headlines.errors import InputError
from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState, batch_state, clear_failure
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.commit import commit
from headlines.scoring.options import ChunkSizes, ScoreOptions
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.run_batch import Submit, run_batch
from headlines.scoring.score_chunks import make_job, score_chunk, score_on_worker
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

Result = TypeVar("Result")


def score(
    root: str,
    name: str = "news.csv",
    max_reject_rate: float = 0.5,
    release: bool = False,
    chunk_rows: int = 4,
    workers: int = 0,
    tries: int = 1,
) -> str:
    """Score a batch of the inbox with the champion, or stop it.

    Args:
        root: the data root.
        name: of the batch.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.
        release: whether to try it again if it was stopped before.
        chunk_rows: rows of a chunk.
        workers: how many processes score, while the batch is read; 0: this one does, after that.
        tries: how often each step is tried; wrong input is not tried again.

    Returns:
        `scored`, `reused` where it was scored before, `stopped`, or `failed` where it waits.
    """
    settings = Settings(runner="processes", workers=workers) if workers else Settings()
    data, progress = DataRoot.open(root, settings), Control.of_environment()
    options = ScoreOptions(
        max_reject_rate=max_reject_rate, max_rejects=0, sizes=ChunkSizes(rows=chunk_rows)
    )
    batch = Batch.of_file(data, Path(root) / "inbox" / name)
    model = champion.open_champion(data)
    if release:
        clear_failure(data, batch)
    elif batch_state(data, batch) is BatchState.FAILED:
        return "failed"

    def submit(step: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        progress.phase = Phase.SCORING
        return submit_step(step, *arguments)

    def call(step: Callable[..., Result], *arguments: Any) -> Result:
        progress.phase = Phase.PUBLISHING if step is commit else Phase.SCORING
        return tried(tries, step, *arguments)

    with submitter(settings, tries) as submit_step:
        try:
            outcome = run_batch(data, batch, model, options, submit, call).outcome
        except InputError:
            return "stopped"
    progress.phase = Phase.DONE
    return outcome


def score_spoiled(root: str, files: str, place: float) -> None:
    """Score the batch in the inbox, but flip a bit of some files before it is published.

    Args:
        root: the data root.
        files: a pattern below it.
        place: of the bit, as a share of a file's length.
    """
    data = DataRoot.open(root)
    options = ScoreOptions(max_reject_rate=1.0, sizes=ChunkSizes(rows=4))
    batch = Batch.of_file(data, Path(root) / "inbox" / "news.csv")
    model = champion.open_champion(data)
    prepared = prepare_batch(data, batch, options)
    jobs = [make_job(data, batch, chunk, model, options) for chunk in chunk_refs(prepared)]
    scored = [score_chunk(job) for job in jobs]
    for path in Path(root).glob(files):
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 4
        path.write_bytes(content)
    commit(data, batch, prepared, model, scored)


@contextlib.contextmanager
def submitter(settings: Settings, tries: int) -> Iterator[Submit]:
    """What starts a step: this process at once, or threads with workers that end afterwards."""
    if settings.runner == "threads":
        yield partial(at_once, tries)
        return
    pool = executors.executor(settings.workers, settings)
    try:
        with ThreadPoolExecutor(32) as threads:  # as in the flow, a thread for each task
            yield lambda step, *arguments: threads.submit(tried, tries, step, *arguments)
    finally:
        pool.shutdown(wait=True)


def at_once(tries: int, step: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Do a step here and now."""
    future: Future[Any] = Future()
    try:
        step = score_chunk if step is score_on_worker else step
        future.set_result(tried(tries, step, *arguments))
    except Exception as error:
        future.set_exception(error)
    return future


def tried(tries: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function so many times, if need be, as Prefect calls a task."""
    for _ in range(tries - 1):
        try:
            return function(*arguments)
        except InputError:
            raise
        except Exception:
            continue
    return function(*arguments)


JOBS: dict[str, Callable[..., Any]] = {job.__name__: job for job in (score, score_spoiled)}
