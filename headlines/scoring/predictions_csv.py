"""Predictions of a batch as CSV for spreadsheets."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from headlines.reports.spreadsheet import write_frames
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import atomic_output
from headlines.storage.data_root import DataRoot


def write_predictions_csv(root: DataRoot, path: Path, batch: str) -> None:
    """Write the predictions of a batch: `batch` and all columns but `record_id`.

    One row group is held in memory at a time. The file is written as a whole or not at all.

    Args:
        root: the data root.
        path: the file; an existing one is replaced.
        batch: its name.

    Raises:
        DamagedArtifact: the predictions are damaged.
        RuntimeError: they were replaced while they were read.
    """
    name = root.predictions_of(batch)
    artifact = root.store.open(name)
    if artifact is None:
        raise RuntimeError(f"the predictions of {batch} no longer exist")
    with atomic_output(path) as draft:
        write_frames(draft, _row_groups(artifact, batch))
        manifest = root.store.manifest(name)
        if manifest is None or manifest.key != artifact.manifest.key:
            raise RuntimeError(f"the predictions of {batch} were replaced while they were read")


def _row_groups(predictions: Artifact, batch: str) -> Iterator[pd.DataFrame]:
    for path in predictions.files(".parquet"):
        with pq.ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name != "record_id"]
            for group in range(file.num_row_groups):
                frame = file.read_row_group(group, columns=columns).to_pandas()
                frame.insert(0, "batch", pd.Series(batch, index=frame.index, dtype="str"))
                yield frame
