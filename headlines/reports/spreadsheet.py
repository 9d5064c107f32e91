"""CSV for spreadsheets: Chinese text stays intact, and no cell is run as a formula."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

# Including full-width forms, which a spreadsheet set to Chinese or Japanese may treat alike. Some
# spreadsheets skip a tab or line break before a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def write_frames(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames of the same columns to one file.

    It is UTF-8 with a byte order mark, which Excel needs to recognise UTF-8. Text that a
    spreadsheet would take for a formula gets a leading apostrophe, in the header too.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        for number, frame in enumerate(frames):
            # With CR and LF as line ending, a field with either is quoted. Otherwise a lone CR in a
            # title would start a row, and possibly a formula.
            _without_formulas(frame).to_csv(
                file, index=False, header=number == 0, lineterminator="\r\n"
            )


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    safe = frame.copy()
    for name in safe.columns[safe.dtypes == "str"]:
        starts = safe[name].str.startswith(_FORMULA_STARTS, na=False)
        safe[name] = safe[name].where(~starts, "'" + safe[name])
    names = map(str, safe.columns)
    safe.columns = [f"'{name}" if name.startswith(_FORMULA_STARTS) else name for name in names]
    return safe
