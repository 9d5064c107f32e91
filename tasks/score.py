"""The tasks that score a batch: the steps of `headlines.scoring.run_batch`, with logs."""

from collections.abc import Sequence

from prefect.logging import get_run_logger

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.scoring import batch_groups, commit, prepare, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.batch_groups import BatchGroup, GroupResult
from headlines.scoring.options import ScoreOptions
from headlines.scoring.progress import Progress
from headlines.scoring.score_chunks import ScoreJob
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("model", run_name="model {version}")
def read_model(root: DataRoot, version: str) -> Artifact:
    """A model version, or the champion; loaded once, so that a broken one fails here."""
    model = champion.resolve(root, version)
    registry.load_scorer(model, Segmenter.from_settings(root.settings).fingerprint())
    return model


@stage("prepare", run_name="prepare {batch.name}")
def prepare_batch(
    root: DataRoot, batch: Batch, options: ScoreOptions, on_chunk: prepare.OnChunk
) -> Artifact:
    """Read a batch into chunks and rejects; refuse one with too many rejects."""
    prepared = prepare.prepare_batch(root, batch, options, on_chunk)
    counts = prepared.counts
    log_stage(
        f"rows of {batch.name}",
        prepared,
        f"{counts['admitted']} usable, {counts['rejected']} rejected",
    )
    return prepared


@stage("score-chunk", run_name="score {job}")
def score_chunk(job: ScoreJob, progress: Progress) -> Artifact:
    """Have a worker score a chunk, and wait for it."""
    scored = score_chunks.score_on_worker(job)
    log_stage(f"predictions of {job}", scored, progress.add_scored(scored.counts["scored"]))
    return scored


@stage("commit", run_name="commit {batch.name}", timeout_seconds=3600)
def commit_batch(
    root: DataRoot, batch: Batch, prepared: Artifact, model: Artifact, scored: Sequence[Artifact]
) -> Artifact:
    """Publish the predictions of a batch."""
    predictions = commit.commit(root, batch, prepared, model, scored)
    log_stage(f"predictions of {batch.name}", predictions, predictions.location)
    return predictions


@stage("discard", run_name="discard {batch.name}")
def discard_batch(
    root: DataRoot, batch: Batch, options: ScoreOptions, jobs: Sequence[ScoreJob]
) -> None:
    """Remove the chunks of a batch that will not be committed."""
    commit.discard(root, batch, options, jobs)


@stage("record-failure", run_name="record failure of {batch.name}")
def record_failure(
    root: DataRoot, batch: Batch, options: ScoreOptions, error: InputError
) -> Artifact:
    """Put a batch that cannot be scored into `failed/`."""
    return commit.record_failure(root, batch, options, error)


# Not retried: what fails is scored batch by batch, so that one that ends the worker stops itself
# alone.
@stage("score-group", run_name="score {group}", retries=0)
def score_group(group: BatchGroup) -> GroupResult:
    """Have a worker score small batches, and wait for it."""
    done = batch_groups.score_group_on_worker(group)
    log = get_run_logger()
    log.info(
        "%d small batches: %d rows scored, %d rejected: %s",
        len(group.batches),
        sum(result.scored for result in done.results),
        sum(result.rejected for result in done.results),
        ", ".join(result.batch for result in done.results),
    )
    for result in done.results:
        if result.outcome == "stopped":
            log.error("%s: %s", result.batch, result.message)
    for batch, error in done.errors.items():
        log.warning("%s is tried again by itself: %s", batch, error)
    return done
