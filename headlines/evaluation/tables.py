"""Writes the tables of an evaluation as Parquet and CSV, reading titles while it writes."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.evaluation.held_out import HeldOutPredictions
from headlines.labels import LABELS
from headlines.metrics.label_errors import suspected_label_errors
from headlines.reports.spreadsheet import write_frames

_FRAME_ROWS = 1 << 16
_ROW_GROUP_ROWS = 1 << 20  # as pandas writes them
_PREDICTION_COLUMNS = (
    *("split", "row", "title", "label", "label_name", "prediction", "prediction_name"),
    *("probability", *(f"p_{name}" for name in LABELS), "unknown", "correct", "leaked"),
)
_SUSPECTED_COLUMNS = (
    *("split", "row", "title", "label", "label_name", "suggestion", "suggestion_name"),
    *("p_label", "p_suggestion"),
)


def write_tables(folder: Path, held_out: HeldOutPredictions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write `output_check`, `mistakes` and `doubted`, each as Parquet and CSV.

    `output_check` has every headline with its prediction: `split`, `row`, `title`, `label`,
    `label_name`, `prediction`, `prediction_name`, `probability` (of the prediction), one `p_…` for
    each class, `unknown` (share of words unknown to the model), `correct`, `leaked`. `mistakes` has
    the wrong ones in the same columns, the most confident first; for `doubted` see
    `suspected_label_errors`. At most the titles of one row group are in memory.

    Returns:
        The rows of `mistakes` and `doubted` under their index in `held_out.predictions`, without
        titles and label names.
    """
    predictions = held_out.predictions
    mistakes = predictions[~predictions["correct"]].sort_values(
        ["probability", "row"], ascending=[False, True]
    )
    suspected = suspected_label_errors(predictions)
    for name, rows, columns in (
        ("output_check", predictions, _PREDICTION_COLUMNS),
        ("mistakes", mistakes, _PREDICTION_COLUMNS),
        ("doubted", suspected, _SUSPECTED_COLUMNS),
    ):
        frames = _frames(held_out, rows, columns)
        write_frames(folder / f"{name}.csv", _tee_parquet(folder / f"{name}.parquet", frames))
    return mistakes, suspected


def with_titles(held_out: HeldOutPredictions, rows: pd.DataFrame) -> pd.DataFrame:
    """Add `title` and the label names to rows with the index of `held_out.predictions`."""
    names = np.array(LABELS)
    titles = held_out.titles(rows.index.to_numpy())
    label_names = {
        f"{kind}_name": pd.Series(names[rows[kind]], index=rows.index, dtype="str")
        for kind in ("label", "prediction", "suggestion")
        if kind in rows
    }
    text = pd.Series(titles.to_pandas().to_numpy(), index=rows.index, dtype="str")
    return rows.assign(title=text, **label_names)


def _frames(
    held_out: HeldOutPredictions, rows: pd.DataFrame, columns: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The rows with titles in frames of `_FRAME_ROWS`; an empty frame if there are no rows."""
    for start in range(0, max(1, len(rows)), _FRAME_ROWS):
        frame = with_titles(held_out, rows.iloc[start : start + _FRAME_ROWS])
        yield frame[list(columns)].reset_index(drop=True)


def _tee_parquet(path: Path, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Pass the frames on and write them as Parquet."""
    first = next(frames)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    row_group: list[pa.Table] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for frame in itertools.chain([first], frames):
            if sum(map(len, row_group)) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(row_group).combine_chunks())
                row_group.clear()
            row_group.append(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            yield frame
        writer.write_table(pa.concat_tables(row_group).combine_chunks())
