"""Scores one batch, from its files to its predictions: the main job of this project.

Chunks are scored while the rest of the batch is read. Nothing is retried here: a flow makes each
step a task that is.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from headlines.compute import executors
from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.scoring import prepare
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import (
    BatchState,
    batch_state,
    claim,
    clear_failure,
    failed_before_error,
)
from headlines.scoring.chunks import ChunkRef, chunk_refs
from headlines.scoring.commit import commit, discard, record_failure
from headlines.scoring.options import ScoreOptions
from headlines.scoring.results import BatchResult, batch_result, check_same_options
from headlines.scoring.score_chunks import ScoreJob, make_job, score_on_worker
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

Result = TypeVar("Result")
# Starts a step in a thread, as `ThreadPoolExecutor.submit` does: `prepare_batch`, and
# `score_on_worker` for each chunk.
Submit = Callable[..., Future[Any]]
# Runs one of the last steps in this thread, so that the claim outlives it even if the run is
# interrupted: `commit`, `discard` or `record_failure`.
Call = Callable[..., Any]

MIN_IN_FLIGHT = 16  # chunks in flight at once: memory does not grow with the batch


def call_plainly(step: Callable[..., Result], *arguments: Any) -> Result:
    """Run a step once; a flow runs it as a task instead, which is retried."""
    return step(*arguments)


def run_batch(
    root: DataRoot,
    batch: Batch,
    model: Artifact,
    options: ScoreOptions,
    submit: Submit,
    call: Call = call_plainly,
    *,
    rescore: bool = False,
) -> BatchResult:
    """Score one batch if it is due; put it into `failed/` if it cannot be scored.

    Args:
        root: the data root.
        batch: the batch.
        model: what scores it.
        options: how it is read, split and segmented.
        submit: starts a step, and returns its future. Its threads only wait for workers, but
            reading takes one of them and each chunk in flight another.
        call: runs a step in this thread, and returns its result.
        rescore: whether to score it again if it has predictions of another model.

    Raises:
        InputError: the batch cannot be scored, or it could not be before and is unchanged.
    """
    with claim(root, batch):
        state = batch_state(root, batch)
        if state is BatchState.FAILED:
            raise failed_before_error(root, batch)
        if state is BatchState.SCORED and not rescore:
            check_same_options(root, batch, options)
            clear_failure(root, batch)  # of bytes that the batch no longer has
            return batch_result(root, batch, "reused")

        jobs: list[ScoreJob] = []

        def read(on_chunk: prepare.OnChunk) -> Future[Artifact]:
            return submit(prepare.prepare_batch, root, batch, options, on_chunk)

        def score(chunk: ChunkRef) -> Future[Artifact]:
            jobs.append(make_job(root, batch, chunk, model, options))
            return submit(score_on_worker, jobs[-1])

        try:
            prepared, chunks = score_while_reading(read, score, root.settings)
        except InputError as error:
            hint = error.hint
            if state is not BatchState.SCORED:  # predictions that are there stay the batch's state
                failure = call(record_failure, root, batch, options, error)
                hint = f"{hint}; see {failure.location}/report.md"
            call(discard, root, batch, options, jobs)
            raise InputError(error.problem, error.location, hint) from error
        scored = [chunk.result() for chunk in chunks]
        predictions = call(commit, root, batch, prepared, model, scored)
        is_reused = predictions.reused and state is BatchState.SCORED
        return batch_result(root, batch, "reused" if is_reused else "scored")


def score_while_reading(
    read: Callable[[prepare.OnChunk], Future[Artifact]],
    score: Callable[[ChunkRef], Future[Result]],
    settings: Settings,
) -> tuple[Artifact, list[Future[Result]]]:
    """Read a batch into chunks, and score each while the rest is read.

    Args:
        read: starts the reading, which calls its argument with each chunk.
        score: starts the scoring of a chunk.
        settings: say how many chunks are scored at once.

    Returns:
        What was read, and the chunks' futures in order.

    Raises:
        Exception: the reading failed; no chunk is in flight any more.
    """
    max_in_flight = max(MIN_IN_FLIGHT, executors.max_in_flight(settings))
    started: dict[int, tuple[str, Future[Result]]] = {}
    chunks: SimpleQueue[ChunkRef | None] = SimpleQueue()
    interrupted = threading.Event()

    def on_chunk(chunk: ChunkRef) -> None:
        if interrupted.is_set():
            raise RuntimeError("the run ended early")
        chunks.put(chunk)

    reading = read(on_chunk)
    reading.add_done_callback(lambda _: chunks.put(None))
    try:
        for chunk in iter(chunks.get, None):
            # A reading that is retried reports its chunks again: the same, unless the file changed.
            if chunk.number in started and started[chunk.number][0] == chunk.key:
                continue
            started[chunk.number] = chunk.key, score(chunk)
            if chunk.number >= max_in_flight:
                wait_for([started[chunk.number - max_in_flight][1]])
        prepared = reading.result()
    except BaseException as error:
        interrupted.set()  # or the reading would go on to the end of the batch
        if isinstance(error, Exception):
            wait_for([reading, *(future for _, future in started.values())])
        raise
    return prepared, [started[chunk.number][1] for chunk in chunk_refs(prepared)]


def wait_for(futures: Iterable[Future[Any]]) -> None:
    """Wait until futures are done, whether they succeed or fail."""
    for future in futures:
        with contextlib.suppress(Exception):  # raised where the result is used
            future.result()


def preflight(root: DataRoot, batches: Sequence[Batch], options: ScoreOptions) -> None:
    """Check at once what can be checked before anything is started for batches.

    Raises:
        InputError: there is no champion that can be used, or a file cannot be read.
    """
    registry.load_scorer(champion.open_champion(root), options.segmenter.fingerprint())
    for batch in batches:
        prepare.check_first_row(root, batch, options)
