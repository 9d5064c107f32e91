"""Scores one batch as the flow `score` does, without Prefect.

    python -m benchmarks.score_alone FILE

`benchmarks.score` runs it to separate the work from the cost of Prefect.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path

from headlines.compute import executors
from headlines.models import champion
from headlines.readers import ReadOptions
from headlines.scoring import commit, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.prepare import MAX_REJECT_RATE, check_reject_rate, prepare_batch
from headlines.scoring.read_chunks import ChunkRef
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog


def score_alone(file: Path) -> Artifact:
    """The predictions of a batch by the champion of the data root."""
    catalog, segmenter = Catalog.from_environment(), Segmenter.from_environment()
    batch, model = Batch.of_file(catalog, file), champion.open_champion(catalog)
    scored: list[Future[Artifact]] = []

    def start(chunk: ChunkRef) -> None:
        pool = executors.executor(1 if chunk.alone else 2)
        job = score_chunks.make_job(catalog, batch, chunk, model, segmenter, ReadOptions())
        scored.append(pool.submit(score_chunks.score_chunk, job))

    admitted = prepare_batch(catalog, batch, ReadOptions(), start)
    check_reject_rate(batch, admitted, MAX_REJECT_RATE)
    parts = [part.result() for part in scored]
    return commit.commit(catalog, batch, admitted, model, parts)


if __name__ == "__main__":
    score_alone(Path(sys.argv[1]))
