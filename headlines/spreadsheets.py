"""CSV for people: opens in spreadsheets with Chinese intact and no cell run as a formula."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from headlines.artifact import Artifact, open_artifact, read_manifest
from headlines.whole_files import written_whole

# Full-width signs too: a spreadsheet that is set to Chinese or Japanese may take them for the
# others. A tab or line end in front of a formula is passed over by some.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as UTF-8 with a byte order mark, which Excel needs to see that it is UTF-8.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    write_frames(path, [frame])


def write_predictions_csv(path: Path, predictions: Path, batch: str) -> None:
    """Write the predictions of a batch as `write_csv` does, below the columns `batch`, `row`, `id`,
    `title`, `label`, `label_name`, `probability`, one `p_…` a class, `model` and `extra`.

    One row group is held at a time. The file is there as a whole or not at all.

    Args:
        path: the file; one that stands there is replaced.
        predictions: directory of the batch's predictions.
        batch: its name.

    Raises:
        DamagedArtifact: the predictions are not what their manifest says.
        RuntimeError: they were replaced while they were read.
    """
    artifact = open_artifact(predictions)
    if artifact is None:
        raise RuntimeError(f"the predictions of {batch} are no longer at {predictions}")
    with written_whole(path) as draft:
        write_frames(draft, _row_groups(artifact, batch))
        manifest = read_manifest(predictions)
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


def write_frames(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames of the same columns, one below the other, as `write_csv` does one."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        for number, frame in enumerate(frames):
            # With both signs in the line end, a field that holds either is quoted: else a lone CR
            # in a title would start a row, and with it a formula.
            _without_formulas(frame).to_csv(
                file, index=False, header=number == 0, lineterminator="\r\n"
            )


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    safe = frame.copy()
    for name in safe.columns[safe.dtypes == "str"]:
        starts = safe[name].str.startswith(_FORMULA_STARTS, na=False)
        safe[name] = safe[name].where(~starts, "'" + safe[name])
    return safe
