"""Scores small batches in groups, so that what a run costs but the work is paid once a group.

Each batch is claimed, committed or put into `failed/` by itself, as `run_batch` does it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from headlines.compute import executors
from headlines.errors import InputError
from headlines.scoring.batch import Batch
from headlines.scoring.options import ChunkSizes, ScoreOptions
from headlines.scoring.results import BatchResult, stopped_result
from headlines.scoring.run_batch import MIN_IN_FLIGHT, run_batch
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

GROUP_SIZE = 50  # batches: some seconds of work


@dataclass(frozen=True)
class BatchGroup:
    """Small batches that one worker scores: plain data for another process.

    Attributes:
        root: the data root.
        batches: one after the other.
        model: what scores them.
        options: how they are read.
        rescore: whether to score again what has predictions of another model.
        is_only: whether there is no other group.
    """

    root: DataRoot
    batches: tuple[Batch, ...]
    model: Artifact
    options: ScoreOptions
    rescore: bool = False
    is_only: bool = True

    def __str__(self) -> str:
        return f"{self.batches[0].name} and {len(self.batches) - 1} more"


@dataclass(frozen=True)
class GroupResult:
    """The outcome of each batch of a group.

    Attributes:
        results: of the batches that were scored, or that cannot be.
        errors: of the others, by name of the batch: they may pass if it is tried again.
    """

    results: list[BatchResult] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


def split_small(
    batches: Sequence[Batch], sizes: ChunkSizes
) -> tuple[list[tuple[Batch, ...]], list[Batch]]:
    """Groups of small batches, and the other batches; a single small one makes no group."""
    small = [batch for batch in batches if _size(batch) <= sizes.small_batch_bytes]
    if len(small) < 2:
        return [], list(batches)
    groups = [
        tuple(small[start : start + GROUP_SIZE]) for start in range(0, len(small), GROUP_SIZE)
    ]
    in_groups = {batch.name for batch in small}
    return groups, [batch for batch in batches if batch.name not in in_groups]


def _size(batch: Batch) -> float:
    try:
        return sum(file.stat().st_size for file in batch.files)
    except OSError:  # whoever reads it reports it
        return float("inf")


def score_group_on_worker(group: BatchGroup) -> GroupResult:
    """Have a worker of this machine, which has the files, score a group, and wait for it."""
    if group.is_only or group.root.settings.runner == "threads":
        return score_group(group)  # its steps need the threads that work would run in
    return executors.local_executor(2, group.root.settings).submit(score_group, group).result()


def score_group(group: BatchGroup) -> GroupResult:
    """Score the batches of a group; an error of one does not stop the others. Runs in a worker."""
    # The worker starts none of its own, nor a cluster.
    root = replace(group.root, settings=replace(group.root.settings, runner="threads"))
    group_result = GroupResult()
    with ThreadPoolExecutor(MIN_IN_FLIGHT + 1) as threads:
        for batch in group.batches:
            try:
                result = run_batch(
                    root, batch, group.model, group.options, threads.submit, rescore=group.rescore
                )
            except InputError as error:
                result = stopped_result(batch, error)
            except Exception as error:
                group_result.errors[batch.name] = f"{type(error).__name__}: {error}"
                continue
            group_result.results.append(result)
    return group_result
