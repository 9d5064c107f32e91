"""Scores batches as the flow does, without Prefect, and in chunks of a few rows."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from headlines.models import champion
from headlines.readers import ReadOptions
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.options import ChunkSizes, ScoreOptions
from headlines.scoring.results import BatchResult
from headlines.scoring.run_batch import run_batch
from headlines.scoring.score_chunks import ScoreJob, make_job
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot


def score_options(
    *, max_reject_rate: float = 1.0, max_rejects: int = 0, engine: str = "fast",
    read_group_bytes: int = 16 << 20, chunk_rows: int = 50_000, chunk_chars: int = 32 << 20,
    **read: Any,
) -> ScoreOptions:  # fmt: skip
    """Options that allow any share of rejects by default; `read` as in `ReadOptions`."""
    sizes = ChunkSizes(chunk_rows, chunk_chars, read_group_bytes)
    return ScoreOptions(ReadOptions(**read), max_reject_rate, max_rejects, Segmenter(engine), sizes)


OPTIONS = score_options()


def run(
    root: DataRoot, batch: Batch, options: ScoreOptions = OPTIONS, *, rescore: bool = False
) -> BatchResult:
    """Score a batch with the champion."""
    model = champion.open_champion(root)
    with ThreadPoolExecutor(64) as pool:
        return run_batch(root, batch, model, options, pool.submit, rescore=rescore)


def score(root: DataRoot, batch: Batch | Path, options: ScoreOptions = OPTIONS) -> Artifact:
    """The predictions of a batch, or of the batch in a file, by the champion."""
    batch = batch if isinstance(batch, Batch) else Batch.of_file(root, batch)
    run(root, batch, options)
    predictions = root.store.open(root.predictions_of(batch.name))
    assert predictions is not None
    return predictions


def make_jobs(
    root: DataRoot, batch: Batch, prepared: Artifact, options: ScoreOptions = OPTIONS
) -> list[ScoreJob]:
    """The jobs of scoring the chunks of a batch with the champion."""
    model = champion.open_champion(root)
    return [make_job(root, batch, chunk, model, options) for chunk in chunk_refs(prepared)]
