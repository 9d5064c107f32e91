"""Whether a batch is due, and the claim that keeps it to one run."""

import contextlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256, json_digest
from headlines.scoring.batch import Batch
from headlines.storage.artifact import (
    Artifact,
    quarantine,
    read_manifest,
    remove,
    verify,
)
from headlines.storage.atomic import file_lock
from headlines.storage.bucket.surveying import forget
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe


class BatchState(StrEnum):
    """What is to be done with a batch."""

    DUE = "due"  # no predictions by any model
    REVISED = "revised"  # there are predictions, but of other bytes
    SCORED = "scored"
    FAILED = "failed"  # stopped before, and its bytes are still the same


def failure_recipe(catalog: Catalog, batch: Batch) -> Recipe:
    """What a failure depends on: the batch and its bytes."""
    return Recipe("failed", 1, (batch.as_source(catalog),), {"batch": batch.name})


def batch_state(
    catalog: Catalog, batch: Batch, digest: Callable[[Path], str] = file_sha256
) -> BatchState:
    """Whether a batch is due. Corrupt predictions are quarantined with a warning: it is due again.

    Args:
        catalog: the data root.
        batch: the batch, with the digests of its files.
        digest: gives the SHA-256 of a file of predictions.
    """
    target = catalog.prediction(batch.name)
    try:
        predictions = verify(target, digest)
    except DamagedArtifact as damage:
        quarantine(catalog, target, damage.reason)
        predictions = None
    if predictions and predictions.manifest.inputs[0].sha256 == batch.sha256:
        # A run that was killed between the two has left rejects of other bytes.
        if _rejects_belong(catalog, batch, predictions):
            return BatchState.SCORED
        return BatchState.REVISED
    try:
        failed = read_manifest(catalog.failed(batch.name))
    except DamagedArtifact:
        failed = None
    if failed and failed.key == failure_recipe(catalog, batch).key:
        return BatchState.FAILED
    return BatchState.REVISED if predictions else BatchState.DUE


def _rejects_belong(catalog: Catalog, batch: Batch, predictions: Artifact) -> bool:
    try:
        rejects = read_manifest(catalog.rejected(batch.name))
    except DamagedArtifact:
        return False
    if rejects is None:
        return not predictions.counts.get("rejected")
    return rejects.inputs[0].sha256 == batch.sha256


@contextlib.contextmanager
def claim(catalog: Catalog, batch: Batch) -> Iterator[None]:
    """Keep a batch to this run: another run that wants it waits, and then finds it scored."""
    with file_lock(catalog, _lock_name(batch)):
        _forget_listing(catalog, batch)
        yield


def try_claim(catalog: Catalog, batch: Batch) -> "contextlib.ExitStack[bool | None] | None":
    """A claim as `claim` makes it; None if another run has the batch."""
    claim = contextlib.ExitStack()
    try:
        claim.enter_context(file_lock(catalog, _lock_name(batch), wait=False))
    except BlockingIOError:
        return None
    _forget_listing(catalog, batch)
    return claim


def _forget_listing(catalog: Catalog, batch: Batch) -> None:
    """Ask the bucket again: another machine may have scored the batch since it was listed."""
    for directory_of in (catalog.prediction, catalog.rejected, catalog.failed):
        forget(directory_of(batch.name))


def _lock_name(batch: Batch) -> str:
    # 256 lock files for all batches, not one for each.
    return f"batch-{json_digest(batch.name)[:2]}"


def clear_failure(catalog: Catalog, batch: Batch) -> None:
    """Remove a batch from `failed/`, so that it is tried again."""
    remove(catalog, catalog.failed(batch.name))


def failed_before_error(catalog: Catalog, batch: Batch) -> InputError:
    """The error of a batch in `failed/` that has not changed."""
    manifest = read_manifest(catalog.failed(batch.name))
    if manifest is None:
        raise RuntimeError(f"the batch {batch.name} is no longer in failed/")
    return InputError(
        f"the batch was stopped before and has not changed since: {manifest.counts['what']}",
        str(batch.path),
        f"{manifest.counts['mend']}; unchanged, it is tried again with "
        "`headlines score --release` and its file alone",
    )
