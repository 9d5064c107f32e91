"""One batch scored as the flow `score` does it, without Prefect.

    python -m benchmarks.score_alone FILE

What `benchmarks.score` runs to tell the work from what Prefect adds to it.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path

from headlines import champion, runner, scoring
from headlines.admission import MAX_REJECT_RATE, Piece, admit, check_reject_rate
from headlines.artifact import Artifact
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.segmentation import Segmenter
from headlines.sources import Reading


def score_alone(file: Path) -> Artifact:
    """The predictions of a batch by the champion of the data root."""
    catalog, segmenter = Catalog.from_environment(), Segmenter.from_environment()
    batch, model = Batch.of_file(catalog, file), champion.current(catalog)
    scored: list[Future[Artifact]] = []

    def start(piece: Piece) -> None:
        pool = runner.executor(1 if piece.alone else 2)
        chunk = scoring.chunk_of(catalog, batch, piece, model, segmenter, Reading())
        scored.append(pool.submit(scoring.score_chunk, chunk))

    admitted = admit(catalog, batch, Reading(), start)
    check_reject_rate(batch, admitted, MAX_REJECT_RATE)
    parts = [part.result() for part in scored]
    return scoring.commit(catalog, batch, admitted, model, parts)


if __name__ == "__main__":
    score_alone(Path(sys.argv[1]))
