"""The flow `score`: batches of headlines into predictions, each exactly once."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.quiet import without_tracebacks
from headlines.admission import MAX_REJECT_RATE
from headlines.artifact import Artifact
from headlines.batches import (
    Batch,
    State,
    claimed,
    refuse_namesakes,
    state_of,
    waiting_error,
)
from headlines.batches import (
    release as release_batch,
)
from headlines.catalog import Catalog
from headlines.errors import BatchesStopped, InputError
from headlines.reports import BatchResult
from headlines.scoring import batch_result, chunks_of
from tasks.score import admit_batch, commit_batch, read_model, score_chunk, stop_batch

without_tracebacks()

_WINDOW = 16  # chunks under way at once: memory does not grow with the batch


# Its threads only wait: the work itself is done by the workers of `headlines.runner`.
_WAITING: Any = ThreadPoolTaskRunner(max_workers=_WINDOW)


@flow(
    name="score-batch",
    flow_run_name="score {name}",
    task_runner=_WAITING,
    validate_parameters=False,
)
def score_batch(
    name: str, batch: Batch, model: Artifact, encoding: str, max_reject_rate: float, rescore: bool
) -> BatchResult:
    """Score one batch if it is due; put it into `failed/` if it cannot be scored."""
    catalog = Catalog.from_environment()
    with claimed(catalog, batch):
        state = state_of(catalog, batch)
        if state is State.FAILED:
            raise waiting_error(catalog, batch)
        if state is State.SCORED and not rescore:
            return batch_result(catalog, batch, "reused")
        try:
            admitted = admit_batch(catalog, name, batch, encoding, max_reject_rate)
        except InputError as error:
            if state is not State.SCORED:  # predictions that stand are not made a failure
                stop_batch(catalog, name, batch, encoding, error)
            raise
        chunks = chunks_of(catalog, batch, admitted, model)
        scored: list[Artifact] = []
        for start in range(0, len(chunks), _WINDOW):
            futures = [
                score_chunk.submit(f"{name} {chunk.number + 1}/{len(chunks)}", chunk, len(chunks))
                for chunk in chunks[start : start + _WINDOW]
            ]
            scored += [future.result() for future in futures]
        predictions = commit_batch(catalog, name, batch, admitted, model, scored)
        return batch_result(catalog, batch, "reused" if predictions.reused else "scored")


@flow(name="score", flow_run_name="score {files}")
def score(
    files: list[str],
    batch: str | None = None,
    encoding: str = "utf-8",
    max_reject_rate: float = MAX_REJECT_RATE,
    rescore: bool = False,
    release: bool = False,
) -> dict[str, Any]:
    """Score files of headlines with the champion.

    Args:
        files: CSV, TSV, JSONL or Parquet with a column `title`, each a batch.
        batch: name of the batch, if it is not to be the file's; for one file alone.
        encoding: of text files.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.
        rescore: score anew what another model has scored; the old predictions are kept aside.
        release: try batches again that were stopped and have not changed.

    Raises:
        InputError: two files are namesakes, or the one file was stopped.
        BatchesStopped: some of several files were stopped; the others were scored.
    """
    catalog = Catalog.from_environment()
    model = read_model(catalog, "champion")
    batches = [Batch.of_file(catalog, Path(file), batch) for file in files]
    if batch is None:
        refuse_namesakes(catalog, batches)
    results: list[BatchResult] = []
    for one in batches:
        if release:
            release_batch(catalog, one)
        try:
            results.append(score_batch(one.name, one, model, encoding, max_reject_rate, rescore))
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
    score(sys.argv[1:])
