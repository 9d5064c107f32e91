"""Whether a batch is due, and the claim that keeps it to one run."""

import contextlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256, json_digest
from headlines.scoring.batch import Batch
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe


class BatchState(StrEnum):
    """What is to be done with a batch."""

    DUE = "due"  # no predictions by any model
    REVISED = "revised"  # there are predictions, but of other bytes
    SCORED = "scored"
    FAILED = "failed"  # stopped before, and its bytes are still the same


def failure_recipe(root: DataRoot, batch: Batch) -> Recipe:
    """What a failure depends on: the batch and its bytes."""
    return Recipe("failed", 1, (batch.as_source(root),), {"batch": batch.name})


def batch_state(
    root: DataRoot, batch: Batch, digest: Callable[[Path], str] = file_sha256
) -> BatchState:
    """Whether a batch is due. Corrupt predictions are quarantined with a warning: it is due again.

    Args:
        root: the data root.
        batch: the batch, with the digests of its files.
        digest: gives the SHA-256 of a file of predictions.
    """
    name = root.predictions_of(batch.name)
    try:
        predictions = root.store.verify(name, digest)
    except DamagedArtifact as damage:
        root.store.quarantine(name, damage.reason)
        predictions = None
    if predictions and predictions.manifest.inputs[0].sha256 == batch.sha256:
        # A run that was killed between the two has left rejects of other bytes.
        if _rejects_belong(root, batch, predictions):
            return BatchState.SCORED
        return BatchState.REVISED
    try:
        failed = root.store.manifest(root.failure_of(batch.name))
    except DamagedArtifact:
        failed = None
    if failed and failed.key == failure_recipe(root, batch).key:
        return BatchState.FAILED
    return BatchState.REVISED if predictions else BatchState.DUE


def _rejects_belong(root: DataRoot, batch: Batch, predictions: Artifact) -> bool:
    try:
        rejects = root.store.manifest(root.rejects_of(batch.name))
    except DamagedArtifact:
        return False
    if rejects is None:
        return not predictions.counts.get("rejected")
    return rejects.inputs[0].sha256 == batch.sha256


@contextlib.contextmanager
def claim(root: DataRoot, batch: Batch) -> Iterator[None]:
    """Keep a batch to this run: another run that wants it waits, and then finds it scored."""
    with root.store.lock(_lock_name(batch)):
        _refresh(root, batch)
        yield


def try_claim(root: DataRoot, batch: Batch) -> "contextlib.ExitStack[bool | None] | None":
    """A claim as `claim` makes it; None if another run has the batch."""
    claim = contextlib.ExitStack()
    try:
        claim.enter_context(root.store.lock(_lock_name(batch), wait=False))
    except BlockingIOError:
        return None
    _refresh(root, batch)
    return claim


def _refresh(root: DataRoot, batch: Batch) -> None:
    """Look again: another machine may have scored the batch since it was listed."""
    name = batch.name
    root.store.refresh(root.predictions_of(name), root.rejects_of(name), root.failure_of(name))


def _lock_name(batch: Batch) -> str:
    # 256 lock files for all batches, not one for each.
    return f"batch-{json_digest(batch.name)[:2]}"


def clear_failure(root: DataRoot, batch: Batch) -> None:
    """Remove a batch from `failed/`, so that it is tried again."""
    root.store.remove(root.failure_of(batch.name))


def failed_before_error(root: DataRoot, batch: Batch) -> InputError:
    """The error of a batch in `failed/` that has not changed."""
    manifest = root.store.manifest(root.failure_of(batch.name))
    if manifest is None:
        raise RuntimeError(f"the batch {batch.name} is no longer in failed/")
    return InputError(
        f"the batch was stopped before and has not changed since: {manifest.counts['what']}",
        root.location(root.store.name_of(batch.path)),
        f"{manifest.counts['mend']}; unchanged, it is tried again with "
        "`headlines score --release` and its file alone",
    )
