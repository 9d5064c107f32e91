"""CSV for people: opens in spreadsheets with Chinese intact and no cell run as a formula."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

# Full-width signs too: a spreadsheet that is set to Chinese or Japanese may take them for the
# others. A tab or line end in front of a formula is passed over by some.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as UTF-8 with a byte order mark, which Excel needs to see that it is UTF-8.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    write_frames(path, [frame])


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
