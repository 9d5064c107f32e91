"""The jobs of `victim.py` that score a batch, in the steps that the flow takes."""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from failing_writes import Control, Phase  # this folder is on the path of `victim.py`

from headlines import admission, batches, champion, runner, scoring
from headlines.artifact import Artifact
from headlines.batch_reading import Piece
from headlines.batches import Batch, State
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.scoring import Chunk
from headlines.segmentation import Segmenter
from headlines.sources import Reading

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
    admission.PIECE_ROWS = piece_rows
    catalog, progress = Catalog(Path(root)), Control.of_environment()
    one = Batch.of_file(catalog, catalog.inbox / name)
    model = champion.current(catalog)
    with batches.claimed(catalog, one), scorer(workers, tries) as submit:
        if release:
            batches.release(catalog, one)
        state = batches.state_of(catalog, one)
        if state in (State.FAILED, State.SCORED):
            return "reused" if state is State.SCORED else "failed"
        chunks: dict[int, Chunk] = {}
        scored: dict[int, Future[Artifact]] = {}

        def score_piece(piece: Piece) -> None:
            if piece.number not in chunks or chunks[piece.number].piece.key != piece.key:
                chunk = scoring.chunk_of(catalog, one, piece, model, Segmenter(), Reading())
                chunks[piece.number] = chunk
                scored[piece.number] = submit(chunk)

        def admit() -> Artifact:
            admitted = admission.admit(catalog, one, Reading(), score_piece)
            admission.check_reject_rate(one, admitted, max_reject_rate)
            return admitted

        progress.phase = Phase.SCORING
        try:
            admitted = tried(tries, admit)
        except InputError as error:
            wait(scored.values())
            tried(tries, scoring.discard, catalog, [*chunks.values()])
            tried(tries, scoring.stop, catalog, one, Reading(), error)
            return "stopped"
        parts = [scored[number].result() for number in range(len(chunks))]
        progress.phase = Phase.PUBLISHING
        tried(tries, scoring.commit, catalog, one, admitted, model, parts)
        progress.phase = Phase.DONE
    return "scored"


def score_spoiled(root: str, files: str, place: float) -> None:
    """Score the batch in the inbox, but flip a bit of some files before it is published.

    Args:
        root: the data root.
        files: a pattern below it.
        place: of the bit, as a share of a file's length.
    """
    admission.PIECE_ROWS = 4
    catalog = Catalog(Path(root))
    batch = Batch.of_file(catalog, catalog.inbox / "news.csv")
    model = champion.current(catalog)
    admitted = admission.admit(catalog, batch, Reading())
    chunks = scoring.chunks_of(catalog, batch, admitted, model)
    parts = [scoring.score_chunk(chunk) for chunk in chunks]
    for path in catalog.root.glob(files):
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 4
        path.write_bytes(content)
    scoring.commit(catalog, batch, admitted, model, parts)


@contextlib.contextmanager
def scorer(workers: int, tries: int) -> Iterator[Callable[[Chunk], Future[Artifact]]]:
    """What scores a chunk: this process at once, or workers that are gone afterwards."""
    if not workers:
        yield partial(at_once, tries)
        return
    os.environ |= {"HEADLINES_RUNNER": "processes", "HEADLINES_WORKERS": str(workers)}
    pool = runner.executor(workers)

    def in_worker(chunk: Chunk) -> Artifact:
        return pool.submit(scoring.score_chunk, chunk).result()

    try:
        with ThreadPoolExecutor(16) as waiting:  # as in the flow, a thread for each task
            yield lambda chunk: waiting.submit(tried, tries, in_worker, chunk)
    finally:
        pool.shutdown(wait=True)


def at_once(tries: int, chunk: Chunk) -> "Future[Artifact]":
    """Score a chunk here and now."""
    future: Future[Artifact] = Future()
    try:
        future.set_result(tried(tries, scoring.score_chunk, chunk))
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
