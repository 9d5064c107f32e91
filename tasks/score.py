"""The tasks that score one batch: admit, score each chunk, commit, or stop."""

from collections.abc import Callable, Sequence

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.readers import ReadOptions
from headlines.scoring import commit, prepare, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.progress import Progress
from headlines.scoring.read_chunks import ChunkRef
from headlines.scoring.score_chunks import ScoreJob
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("model", run_name="model {version}")
def read_model(catalog: Catalog, version: str) -> Artifact:
    """A model version, or the champion, which was read once: what is wrong with it shows here."""
    model = champion.resolve(catalog, version)
    registry.load_scorer(model, Segmenter.from_environment().fingerprint())
    return model


@stage("admit", run_name="admit {name}")
def admit_batch(
    catalog: Catalog,
    name: str,
    batch: Batch,
    reading: ReadOptions,
    max_reject_rate: float,
    on_piece: Callable[[ChunkRef], None],
) -> Artifact:
    """Read a batch into pieces and rejects; refuse one with too many rejects."""
    admitted = prepare.prepare_batch(catalog, batch, reading, on_piece)
    log_stage(
        f"rows of {name}",
        admitted,
        f"{admitted.counts['admitted']} admitted, {admitted.counts['rejected']} rejected",
    )
    prepare.check_reject_rate(batch, admitted, max_reject_rate)
    return admitted


@stage("score-chunk", run_name="score {name}")
def score_chunk(name: str, chunk: ScoreJob, progress: Progress) -> Artifact:
    """Have a worker score one piece, and wait for it."""
    pool = executors.executor(1 if chunk.piece.alone else 2)
    scored = wait_until_visible(pool.submit(score_chunks.score_chunk, chunk).result())
    log_stage(f"predictions of {name}", scored, progress.scored(scored.counts["scored"]))
    return scored


@stage("commit", run_name="commit {name}", timeout_seconds=3600)
def commit_batch(
    catalog: Catalog,
    name: str,
    batch: Batch,
    admitted: Artifact,
    model: Artifact,
    scored: list[Artifact],
) -> Artifact:
    """Publish the predictions of a batch."""
    predictions = commit.commit(catalog, batch, admitted, model, scored)
    log_stage(f"predictions of {name}", predictions, str(predictions.directory))
    return predictions


@stage("discard", run_name="discard {name}")
def discard_pieces(catalog: Catalog, name: str, chunks: Sequence[ScoreJob]) -> None:
    """Remove the pieces of a batch that will not be scored."""
    commit.discard(catalog, chunks)


@stage("stop", run_name="stop {name}")
def stop_batch(
    catalog: Catalog,
    name: str,
    batch: Batch,
    reading: ReadOptions,
    error: InputError,
) -> Artifact:
    """Put a batch that cannot be scored into `failed/`."""
    return commit.record_failure(catalog, batch, reading, error)
