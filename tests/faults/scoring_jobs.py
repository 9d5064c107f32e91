"""The jobs of `victim.py` that score a batch, in the steps that the flow takes."""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from failing_writes import Control, Phase  # this folder is on the path of `victim.py`

from headlines.compute import executors
from headlines.errors import InputError
from headlines.models import champion
from headlines.readers import ReadOptions
from headlines.scoring import batch_state, commit, prepare, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState
from headlines.scoring.read_chunks import ChunkRef
from headlines.scoring.score_chunks import ScoreJob
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog

Result = TypeVar("Result")


def score(
    root: str,
    name: str = "news.csv",
    max_reject_rate: float = 0.5,
    release: bool = False,
    piece_rows: int = 4,
    workers: int = 0,
    tries: int = 1,
) -> str:
    """Score a batch of the inbox with the champion, or stop it, in the steps the flow takes.

    Args:
        root: the data root.
        name: of the batch.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.
        release: whether to try it again if it was stopped before.
        piece_rows: rows of a piece.
        workers: how many processes score, while the batch is still read; 0: this one does, after.
        tries: how often each of the flow's tasks is tried; wrong input is not tried again.

    Returns:
        `scored`, `reused` where it was scored before, `stopped`, or `failed` where it waits.
    """
    prepare.CHUNK_ROWS = piece_rows
    catalog, progress = Catalog(Path(root)), Control.of_environment()
    one = Batch.of_file(catalog, catalog.inbox / name)
    model = champion.open_champion(catalog)
    with batch_state.claim(catalog, one), scorer(workers, tries) as submit:
        if release:
            batch_state.clear_failure(catalog, one)
        state = batch_state.batch_state(catalog, one)
        if state in (BatchState.FAILED, BatchState.SCORED):
            return "reused" if state is BatchState.SCORED else "failed"
        chunks: dict[int, ScoreJob] = {}
        scored: dict[int, Future[Artifact]] = {}

        def score_piece(piece: ChunkRef) -> None:
            if piece.number not in chunks or chunks[piece.number].piece.key != piece.key:
                chunk = score_chunks.make_job(
                    catalog, one, piece, model, Segmenter(), ReadOptions()
                )
                chunks[piece.number] = chunk
                scored[piece.number] = submit(chunk)

        def admit() -> Artifact:
            admitted = prepare.prepare_batch(catalog, one, ReadOptions(), score_piece)
            prepare.check_reject_rate(one, admitted, max_reject_rate)
            return admitted

        progress.phase = Phase.SCORING
        try:
            admitted = tried(tries, admit)
        except InputError as error:
            wait(scored.values())
            tried(tries, commit.discard, catalog, [*chunks.values()])
            tried(tries, commit.record_failure, catalog, one, ReadOptions(), error)
            return "stopped"
        parts = [scored[number].result() for number in range(len(chunks))]
        progress.phase = Phase.PUBLISHING
        tried(tries, commit.commit, catalog, one, admitted, model, parts)
        progress.phase = Phase.DONE
    return "scored"


def score_spoiled(root: str, files: str, place: float) -> None:
    """Score the batch in the inbox, but flip a bit of some files before it is published.

    Args:
        root: the data root.
        files: a pattern below it.
        place: of the bit, as a share of a file's length.
    """
    prepare.CHUNK_ROWS = 4
    catalog = Catalog(Path(root))
    batch = Batch.of_file(catalog, catalog.inbox / "news.csv")
    model = champion.open_champion(catalog)
    admitted = prepare.prepare_batch(catalog, batch, ReadOptions())
    chunks = score_chunks.make_jobs(catalog, batch, admitted, model)
    parts = [score_chunks.score_chunk(chunk) for chunk in chunks]
    for path in catalog.root.glob(files):
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 4
        path.write_bytes(content)
    commit.commit(catalog, batch, admitted, model, parts)


@contextlib.contextmanager
def scorer(workers: int, tries: int) -> Iterator[Callable[[ScoreJob], Future[Artifact]]]:
    """What scores a chunk: this process at once, or workers that are gone afterwards."""
    if not workers:
        yield partial(at_once, tries)
        return
    os.environ |= {"HEADLINES_RUNNER": "processes", "HEADLINES_WORKERS": str(workers)}
    pool = executors.executor(workers)

    def in_worker(chunk: ScoreJob) -> Artifact:
        return pool.submit(score_chunks.score_chunk, chunk).result()

    try:
        with ThreadPoolExecutor(16) as waiting:  # as in the flow, a thread for each task
            yield lambda chunk: waiting.submit(tried, tries, in_worker, chunk)
    finally:
        pool.shutdown(wait=True)


def at_once(tries: int, chunk: ScoreJob) -> "Future[Artifact]":
    """Score a chunk here and now."""
    future: Future[Artifact] = Future()
    try:
        future.set_result(tried(tries, score_chunks.score_chunk, chunk))
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
