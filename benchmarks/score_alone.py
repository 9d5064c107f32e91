"""One batch scored as the flow `score` does it, without Prefect.

    python -m benchmarks.score_alone FILE

`benchmarks.score` runs it to tell the work from what Prefect adds to it.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.options import ScoreOptions
from headlines.scoring.results import BatchResult
from headlines.scoring.run_batch import run_batch
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot


def score_alone(file: Path) -> BatchResult:
    """Score a batch with the champion of the data root."""
    root = DataRoot.from_settings(Settings.from_environment())
    options = ScoreOptions(segmenter=Segmenter.from_settings(root.settings))
    batch, model = Batch.of_file(root, file), champion.open_champion(root)
    with ThreadPoolExecutor(64) as threads:
        return run_batch(root, batch, model, options, threads.submit)


if __name__ == "__main__":
    score_alone(Path(sys.argv[1]))
