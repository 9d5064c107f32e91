"""CSV for people: opens in spreadsheets with Chinese intact and no cell run as a formula."""

from pathlib import Path

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as UTF-8 with a byte order mark, which Excel needs to see that it is UTF-8.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    safe = frame.copy()
    for name in safe.columns[safe.dtypes == "str"]:
        starts = safe[name].str.startswith(_FORMULA_STARTS, na=False)
        safe[name] = safe[name].where(~starts, "'" + safe[name])
    # With both signs in the line end, a field that holds either is quoted: else a lone CR in a
    # title would start a row, and with it a formula.
    safe.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
