"""The tasks that score one batch: admit, score each chunk, commit, or stop."""

from collections.abc import Callable, Sequence

from headlines import admission, champion, registry, runner, scoring
from headlines.arrival import arrived
from headlines.artifact import Artifact
from headlines.batch_reading import Piece
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.progress import Progress
from headlines.scoring import Chunk
from headlines.segmentation import Segmenter
from headlines.sources import Reading
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("model", run_name="model {version}")
def read_model(catalog: Catalog, version: str) -> Artifact:
    """A model version, or the champion, which was read once: what is wrong with it shows here."""
    model = champion.named(catalog, version)
    registry.scorer(model, Segmenter.from_environment().fingerprint())
    return model


@stage("admit", run_name="admit {name}")
def admit_batch(
    catalog: Catalog,
    name: str,
    batch: Batch,
    reading: Reading,
    max_reject_rate: float,
    on_piece: Callable[[Piece], None],
) -> Artifact:
    """Read a batch into pieces and rejects; refuse one with too many rejects."""
    admitted = admission.admit(catalog, batch, reading, on_piece)
    log_stage(
        f"rows of {name}",
        admitted,
        f"{admitted.counts['admitted']} admitted, {admitted.counts['rejected']} rejected",
    )
    admission.check_reject_rate(batch, admitted, max_reject_rate)
    return admitted


@stage("score-chunk", run_name="score {name}")
def score_chunk(name: str, chunk: Chunk, progress: Progress) -> Artifact:
    """Have a worker score one piece, and wait for it."""
    pool = runner.executor(1 if chunk.piece.alone else 2)
    scored = arrived(pool.submit(scoring.score_chunk, chunk).result())
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
    predictions = scoring.commit(catalog, batch, admitted, model, scored)
    log_stage(f"predictions of {name}", predictions, str(predictions.directory))
    return predictions


@stage("discard", run_name="discard {name}")
def discard_pieces(catalog: Catalog, name: str, chunks: Sequence[Chunk]) -> None:
    """Remove the pieces of a batch that will not be scored."""
    scoring.discard(catalog, chunks)


@stage("stop", run_name="stop {name}")
def stop_batch(
    catalog: Catalog,
    name: str,
    batch: Batch,
    reading: Reading,
    error: InputError,
) -> Artifact:
    """Put a batch that cannot be scored into `failed/`."""
    return scoring.stop(catalog, batch, reading, error)
