"""The tables of an evaluation, as Parquet and CSV, whose titles are read as they are written."""

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

_ROWS_AT_ONCE = 1 << 16
_GROUP_ROWS = 1 << 20  # of a row group, as pandas writes them
_OUTPUT = (
    "split",
    "row",
    "title",
    "label",
    "label_name",
    "prediction",
    "prediction_name",
    "probability",
    *(f"p_{name}" for name in LABELS),
    "unknown",
    "correct",
    "leaked",
)
_DOUBTED = (
    "split",
    "row",
    "title",
    "label",
    "label_name",
    "suggestion",
    "suggestion_name",
    "p_label",
    "p_suggestion",
)


def write_tables(folder: Path, held_out: HeldOutPredictions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write `output_check`, `mistakes` and `doubted`, each as Parquet and CSV.

    `output_check` has every headline beside what the model says of it: `split`, `row`, `title`,
    `label`, `label_name`, `prediction`, `prediction_name`, `probability` (of the prediction), one
    `p_…` a class, `unknown` (share of its words that the model does not know), `correct`, `leaked`.
    `mistakes` has the wrong ones in the same columns, the most confident first; of `doubted` see
    `label_errors.doubted`. No more than a row group's titles are held.

    Returns:
        `mistakes` and `doubted` as they stand in `held_out.checked`: without titles and names, each
        below its place there.
    """
    checked = held_out.checked
    wrong = checked[~checked["correct"]].sort_values(
        ["probability", "row"], ascending=[False, True]
    )
    doubts = suspected_label_errors(checked)
    for name, rows, columns in (
        ("output_check", checked, _OUTPUT),
        ("mistakes", wrong, _OUTPUT),
        ("doubted", doubts, _DOUBTED),
    ):
        frames = _frames(held_out, rows, columns)
        write_frames(folder / f"{name}.csv", _written(folder / f"{name}.parquet", frames))
    return wrong, doubts


def with_titles(held_out: HeldOutPredictions, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows below their places in `held_out.checked`, with `title` and the names of all labels."""
    names = np.array(LABELS)
    titles = held_out.titles(rows.index.to_numpy())
    named = {
        f"{kind}_name": pd.Series(names[rows[kind]], index=rows.index, dtype="str")
        for kind in ("label", "prediction", "suggestion")
        if kind in rows
    }
    text = pd.Series(titles.to_pandas().to_numpy(), index=rows.index, dtype="str")
    return rows.assign(title=text, **named)


def _frames(
    held_out: HeldOutPredictions, rows: pd.DataFrame, columns: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The rows with titles, some thousand at a time; one frame without rows if there are none."""
    for start in range(0, max(1, len(rows)), _ROWS_AT_ONCE):
        piece = with_titles(held_out, rows.iloc[start : start + _ROWS_AT_ONCE])
        yield piece[list(columns)].reset_index(drop=True)


def _written(path: Path, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The frames, which on their way are written as Parquet."""
    first = next(frames)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    held: list[pa.Table] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for frame in itertools.chain([first], frames):
            if sum(map(len, held)) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held.clear()
            held.append(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            yield frame
        writer.write_table(pa.concat_tables(held).combine_chunks())
