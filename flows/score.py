"""The flow `score`: batches of headlines into predictions, each exactly once."""

import sys
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.environment import use_running_server
from flows.logs import hide_expected_tracebacks
from flows.parameters import LongTitles, Share
from headlines.compute import executors
from headlines.errors import BatchesStopped, InputError
from headlines.readers import ReadOptions
from headlines.scoring.batch import Batch, resolve_batches
from headlines.scoring.batch_state import BatchState, batch_state, claim, failed_before_error
from headlines.scoring.batch_state import clear_failure as release_batch
from headlines.scoring.prepare import MAX_REJECT_RATE
from headlines.scoring.progress import Progress
from headlines.scoring.read_chunks import ChunkRef, chunk_refs
from headlines.scoring.results import BatchResult, batch_result, check_same_options
from headlines.scoring.score_chunks import ScoreJob, make_job
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, have_here
from headlines.storage.layout import Catalog
from tasks.score import (
    admit_batch,
    commit_batch,
    discard_pieces,
    read_model,
    score_chunk,
    stop_batch,
)

hide_expected_tracebacks()

MIN_IN_FLIGHT = 16  # chunks under way at once: memory does not grow with the batch


# Its threads only wait: the work is done by the workers of `headlines.compute.executors`. There
# are as many as chunks in flight, or reading would wait behind them.
_TASK_RUNNER: Any = ThreadPoolTaskRunner(max_workers=1024)


@flow(
    name="score-batch",
    flow_run_name="score {name}",
    task_runner=_TASK_RUNNER,
    validate_parameters=False,
)
def score_batch(
    name: str,
    batch: Batch,
    model: Artifact,
    reading: ReadOptions,
    max_reject_rate: float,
    rescore: bool,
) -> BatchResult:
    """Score one batch if it is due; put it into `failed/` if it cannot be scored."""
    catalog = Catalog.from_environment()
    with claim(catalog, batch):
        state = batch_state(catalog, batch)
        if state is BatchState.FAILED:
            raise failed_before_error(catalog, batch)
        if state is BatchState.SCORED and not rescore:
            check_same_options(catalog, batch, reading)
            release_batch(catalog, batch)  # a failure of other bytes, which are no more
            have_here(catalog.prediction(batch.name))  # for those who look at them afterwards
            return batch_result(catalog, batch, "reused")
        chunks: dict[int, ScoreJob] = {}
        scored: dict[int, PrefectFuture[Artifact]] = {}
        pieces: SimpleQueue[ChunkRef | None] = SimpleQueue()
        segmenter, progress = Segmenter.from_environment(), Progress()
        admitting = admit_batch.submit(
            catalog, name, batch, reading, max_reject_rate, on_piece=pieces.put
        )
        admitting.add_done_callback(lambda _: pieces.put(None))
        # Pieces are scored while the rest is read. When the reading was tried again they are told
        # of again, and are the same unless the file has changed meanwhile.
        for piece in iter(pieces.get, None):
            if (known := chunks.get(piece.number)) and known.piece.key == piece.key:
                continue
            chunks[piece.number] = make_job(catalog, batch, piece, model, segmenter, reading)
            progress.admitted(piece.rows, piece.read)
            scored[piece.number] = score_chunk.submit(
                f"{name} {piece.number + 1}", chunks[piece.number], progress
            )
            if piece.number >= MIN_IN_FLIGHT:
                behind = piece.number - max(MIN_IN_FLIGHT, executors.max_in_flight())
                scored[max(0, behind)].wait()
        try:
            admitted = admitting.result()
        except InputError as error:
            wait(list(scored.values()))
            discard_pieces(catalog, name, list(chunks.values()))
            if state is not BatchState.SCORED:  # predictions that stand are not made a failure
                stop_batch(catalog, name, batch, reading, error)
            raise
        parts = [scored[piece.number].result() for piece in chunk_refs(admitted)]
        predictions = commit_batch(catalog, name, batch, admitted, model, parts)
        return batch_result(
            catalog,
            batch,
            "reused" if predictions.reused and state is BatchState.SCORED else "scored",
        )


def _run_name() -> str:
    given = flow_run.parameters
    names = [given["batch"]] if given.get("batch") else [Path(file).name for file in given["files"]]
    return f"score {' '.join(names[:3])}" + f" and {len(names) - 3} more" * (len(names) > 3)


@flow(name="score", flow_run_name=_run_name)
def score(
    files: list[str],
    batch: str | None = None,
    encoding: str = "utf-8",
    title_column: str = "title",
    id_column: str = "id",
    content_column: str = "content",
    long_titles: LongTitles = "reject",
    max_reject_rate: Share = MAX_REJECT_RATE,
    rescore: bool = False,
    release: bool = False,
) -> dict[str, Any]:
    """Score files of headlines with the champion.

    Args:
        files: CSV, TSV, JSONL or Parquet with a column `title`, each a batch; or a folder of
            such files that is one.
        batch: name of the batch, if it is not to be the file's; several files are one batch then.
        encoding: of text files.
        title_column: name of the column of the headlines.
        id_column: name of the column of the batch's own identities, if there is one.
        content_column: name of the column of the articles, for a model that reads them.
        long_titles: `reject` or `cut` titles of more than 500 characters.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.
        rescore: score anew what another model has scored; the old predictions are kept aside.
        release: try batches again that were stopped and have not changed.

    Raises:
        InputError: two files are namesakes, or the one batch was stopped.
        BatchesStopped: some of several files were stopped; the others were scored.
    """
    catalog = Catalog.from_environment()
    reading = ReadOptions(encoding, title_column, id_column, long_titles, content_column)
    model = read_model(catalog, "champion")
    batches = resolve_batches(catalog, [catalog.named(file) for file in files], batch)
    results: list[BatchResult] = []
    for one in batches:
        if release:
            release_batch(catalog, one)
        try:
            results.append(score_batch(one.name, one, model, reading, max_reject_rate, rescore))
        except InputError as error:
            if len(batches) == 1:
                raise
            results.append(BatchResult(one.name, "stopped", message=str(error)))
    scored = {"model": model.directory.name, "batches": [asdict(result) for result in results]}
    stopped = [result.batch for result in results if result.outcome == "stopped"]
    if stopped:
        raise BatchesStopped(f"stopped: {', '.join(stopped)}", scored)
    return scored


if __name__ == "__main__":
    use_running_server()
    score(sys.argv[1:])
