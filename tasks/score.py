"""The tasks that score a batch: the steps of `headlines.scoring.run_batch`, with logs."""

from collections.abc import Sequence

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.scoring import commit, prepare, score_chunks
from headlines.scoring.batch import Batch
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
