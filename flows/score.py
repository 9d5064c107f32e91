"""The flow `score`: batches of headlines into predictions, each exactly once."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.parameters import Count, Files, LongTitles, Quoting, Share
from headlines.compute import executors
from headlines.errors import BatchesStopped, InputError
from headlines.readers import ReadOptions
from headlines.readers.rejects import MAX_REJECT_RATE, MAX_REJECTS
from headlines.scoring.batch import Batch, resolve_batches
from headlines.scoring.batch_groups import BatchGroup, GroupResult, split_small
from headlines.scoring.batch_state import clear_failure
from headlines.scoring.commit import commit, discard, record_failure
from headlines.scoring.options import ScoreOptions
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.progress import Progress
from headlines.scoring.results import BatchResult, scored_since, stopped_result
from headlines.scoring.run_batch import run_batch
from headlines.scoring.score_chunks import score_on_worker
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks import score as tasks
from tasks.interruption import interrupted

hide_expected_tracebacks()

_TASKS: dict[Any, Any] = {
    prepare_batch: tasks.prepare_batch,
    score_on_worker: tasks.score_chunk,
    commit: tasks.commit_batch,
    discard: tasks.discard_batch,
    record_failure: tasks.record_failure,
}


class _TaskRunner(ThreadPoolTaskRunner[Any]):
    """Does not wait for its threads when the run was interrupted: they wait for workers."""

    def cancel_all(self) -> None:
        if interrupted.is_set() and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        super().cancel_all()


# Its threads only wait for the workers of `headlines.compute.executors`. There are more than chunks
# in flight, or reading would wait behind them.
_TASK_RUNNER: Any = _TaskRunner(max_workers=1024)


@flow(
    name="score-batch",
    flow_run_name="score {batch.name}",
    task_runner=_TASK_RUNNER,
    validate_parameters=False,
)
def score_batch(
    batch: Batch, model: Artifact, options: ScoreOptions, rescore: bool = False
) -> BatchResult:
    """Score one batch if it is due; put it into `failed/` if it cannot be scored."""
    progress = Progress()

    def submit(step: Any, *arguments: Any) -> Any:  # a PrefectFuture
        if step is score_on_worker:
            progress.add_read(arguments[0].chunk)
            arguments = (*arguments, progress)
        return _TASKS[step].submit(*arguments)

    def call(step: Any, *arguments: Any) -> Any:
        return _TASKS[step](*arguments)

    root = DataRoot.from_settings(Settings.from_environment())
    return run_batch(root, batch, model, options, submit, call, rescore=rescore)


def score_batches(
    root: DataRoot,
    batches: Sequence[Batch],
    model: Artifact,
    options: ScoreOptions,
    score: Callable[[Batch], BatchResult],
    rescore: bool = False,
) -> list[BatchResult]:
    """Score batches: small ones in groups, next to each other.

    Args:
        root: the data root.
        batches: the batches.
        model: what scores them.
        options: how they are read.
        score: scores one that is not small, or that a group could not score.
        rescore: whether to score again what has predictions of another model.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    groups, large = split_small(batches, options.sizes)
    window = executors.max_in_flight(root.settings)
    futures: list[PrefectFuture[GroupResult]] = []
    for number, group in enumerate(groups):
        if number >= window:
            futures[number - window].wait()
        job = BatchGroup(root, group, model, options, rescore, is_only=len(groups) == 1)
        futures.append(tasks.score_group.submit(job))
    results = {batch.name: score(batch) for batch in large}
    for group, future in zip(groups, futures, strict=True):
        done = future.result(raise_on_failure=False)
        if isinstance(done, GroupResult):  # else the worker is gone
            results |= {result.batch: result for result in done.results}
        for batch in group:
            if batch.name in results:
                continue
            result = score(batch)
            if result.outcome == "reused" and scored_since(root, batch, started_at):
                result = replace(result, outcome="scored")  # before the group failed
            results[batch.name] = result
    return [results[batch.name] for batch in batches]


def _run_name() -> str:
    given = flow_run.parameters
    names = [given["batch"]] if given.get("batch") else [Path(file).name for file in given["files"]]
    return f"score {' '.join(names[:3])}" + f" and {len(names) - 3} more" * (len(names) > 3)


@flow(name="score", flow_run_name=_run_name)
def score(
    files: Files,
    batch: str | None = None,
    encoding: str = "utf-8",
    title_column: str = "title",
    id_column: str | None = None,
    content_column: str | None = None,
    long_titles: LongTitles = "reject",
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    max_reject_rate: Share = MAX_REJECT_RATE,
    max_rejects: Count = MAX_REJECTS,
    fail_on_empty: bool = False,
    rescore: bool = False,
    release: bool = False,
) -> dict[str, Any]:
    """Score files of headlines with the champion.

    Args:
        files: CSV, TSV, JSONL or Parquet with a column `title`, each a batch; or a folder of
            such files that is one.
        batch: name of the batch, if it is not the file's; several files are then one batch.
        encoding: of text files.
        title_column: name of the column of the headlines.
        id_column: name of the column of the batch's own ids; null for `id`, if there is one.
        content_column: name of the column of the articles, for a model that reads them; null for
            `content`, if there is one.
        long_titles: `reject` or `cut` titles of more than 500 characters.
        delimiter: between the columns of CSV and TSV; null for a comma and a tab.
        quoting: `csv` or `none`; null for `csv` in CSV and `none` in TSV.
        max_reject_rate: a batch with a larger share of unusable rows is stopped,
        max_rejects: if there are more of them than this.
        fail_on_empty: fail, when all is done, if a batch has no rows.
        rescore: score again what another model has scored; the old predictions are kept in
            `superseded/`.
        release: try batches again that were stopped and have not changed.

    Raises:
        InputError: two files have one batch name, or the only batch was stopped.
        BatchesStopped: some of several batches were stopped; the others were scored. Or a batch has
            no rows, with `fail_on_empty`.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    read = ReadOptions(
        encoding, title_column, id_column, long_titles, content_column, delimiter, quoting
    )
    segmenter = Segmenter.from_settings(root.settings)
    options = ScoreOptions(read, max_reject_rate, max_rejects, segmenter)
    model = tasks.read_model(root, "champion")
    paths = [root.store.fetch(root.resolve(file)) for file in files]
    batches = resolve_batches(root, paths, batch)
    if release:
        for named in batches:
            clear_failure(root, named)

    def score_one(named: Batch) -> BatchResult:
        try:
            return score_batch(named, model, options, rescore)
        except InputError as error:
            if len(batches) == 1:
                raise
            return stopped_result(named, error)

    results = score_batches(root, batches, model, options, score_one, rescore)
    result = {
        "model": model.version,
        "batches": [asdict(batch_result) for batch_result in results],
    }
    outcomes = ("stopped", "empty") if fail_on_empty else ("stopped",)
    problems = {
        outcome: [batch_result.batch for batch_result in results if batch_result.outcome == outcome]
        for outcome in outcomes
    }
    if any(problems.values()):
        raise BatchesStopped(
            "; ".join(f"{name}: {', '.join(names)}" for name, names in problems.items() if names),
            result,
        )
    return result


if __name__ == "__main__":
    run_flow("score", sys.argv[1:])
