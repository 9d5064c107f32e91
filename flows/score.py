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

from flows.parameters import LongTitles, Share
from flows.quiet import without_tracebacks
from flows.surroundings import use_server
from headlines import runner
from headlines.admission import MAX_REJECT_RATE
from headlines.artifact import Artifact, have_here
from headlines.batch_reading import Piece, pieces_of
from headlines.batches import Batch, State, claimed, named_batches, state_of, waiting_error
from headlines.batches import (
    release as release_batch,
)
from headlines.catalog import Catalog
from headlines.errors import BatchesStopped, InputError
from headlines.outcomes import BatchResult
from headlines.progress import Progress
from headlines.scoring import Chunk, batch_result, chunk_of, refuse_other_reading
from headlines.segmentation import Segmenter
from headlines.sources import Reading
from tasks.score import (
    admit_batch,
    commit_batch,
    discard_pieces,
    read_model,
    score_chunk,
    stop_batch,
)

without_tracebacks()

_LEAST_WINDOW = 16  # chunks under way at once: memory does not grow with the batch


# Its threads only wait: the work itself is done by the workers of `headlines.runner`. There are as
# many as chunks under way, or admitting would wait behind them.
_WAITING: Any = ThreadPoolTaskRunner(max_workers=1024)


@flow(
    name="score-batch",
    flow_run_name="score {name}",
    task_runner=_WAITING,
    validate_parameters=False,
)
def score_batch(
    name: str,
    batch: Batch,
    model: Artifact,
    reading: Reading,
    max_reject_rate: float,
    rescore: bool,
) -> BatchResult:
    """Score one batch if it is due; put it into `failed/` if it cannot be scored."""
    catalog = Catalog.from_environment()
    with claimed(catalog, batch):
        state = state_of(catalog, batch)
        if state is State.FAILED:
            raise waiting_error(catalog, batch)
        if state is State.SCORED and not rescore:
            refuse_other_reading(catalog, batch, reading)
            release_batch(catalog, batch)  # a failure of other bytes, which are no more
            have_here(catalog.prediction(batch.name))  # for those who look at them afterwards
            return batch_result(catalog, batch, "reused")
        chunks: dict[int, Chunk] = {}
        scored: dict[int, PrefectFuture[Artifact]] = {}
        pieces: SimpleQueue[Piece | None] = SimpleQueue()
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
            chunks[piece.number] = chunk_of(catalog, batch, piece, model, segmenter, reading)
            progress.admitted(piece.rows, piece.read)
            scored[piece.number] = score_chunk.submit(
                f"{name} {piece.number + 1}", chunks[piece.number], progress
            )
            if piece.number >= _LEAST_WINDOW:
                behind = piece.number - max(_LEAST_WINDOW, runner.window())
                scored[max(0, behind)].wait()
        try:
            admitted = admitting.result()
        except InputError as error:
            wait(list(scored.values()))
            discard_pieces(catalog, name, list(chunks.values()))
            if state is not State.SCORED:  # predictions that stand are not made a failure
                stop_batch(catalog, name, batch, reading, error)
            raise
        parts = [scored[piece.number].result() for piece in pieces_of(admitted)]
        predictions = commit_batch(catalog, name, batch, admitted, model, parts)
        return batch_result(
            catalog, batch, "reused" if predictions.reused and state is State.SCORED else "scored"
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
    reading = Reading(encoding, title_column, id_column, long_titles, content_column)
    model = read_model(catalog, "champion")
    batches = named_batches(catalog, [catalog.named(file) for file in files], batch)
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
    use_server()
    score(sys.argv[1:])
