"""The sheet of a review: a CSV for spreadsheets that people fill in and hand back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from headlines.errors import InputError
from headlines.labels import LABELS, LABELS_ZH, parse_label
from headlines.readers import ReadOptions, Record, read_records
from headlines.readers.titles import record_id
from headlines.reports.spreadsheet import write_frames

REQUIRED = ("title", "label", "batch", "row", "review")
_FIRST_ROW = 2  # of the headlines, as spreadsheets number rows


@dataclass(frozen=True)
class SheetRow:
    """One row of a filled sheet.

    Attributes:
        number: as a spreadsheet numbers its rows: 2 for the first below the header.
        fields: text by column, without white space around it; empty where there is none.
        problem: why it cannot be read; empty if it can.
    """

    number: int
    fields: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """What a row of a filled sheet says.

    Attributes:
        record_id: the headline; empty if the row was not accepted.
        label: its label id; None if it was left empty.
        problem: why the row was not accepted; empty if it was.
    """

    record_id: str = ""
    label: int | None = None
    problem: str = ""


def write_sheet(path: Path, review: str, asked: pd.DataFrame) -> None:
    """Write the sheet to fill in.

    Args:
        path: of the file.
        review: name of the review.
        asked: its rows in order; `known` holds label ids of an earlier review, which the sheet
            already has filled in.
    """
    names = np.array([f"{name} {zh}" for name, zh in zip(LABELS, LABELS_ZH, strict=True)])
    known = asked["known"].map(lambda label: "" if pd.isna(label) else names[int(label)])
    sheet = pd.DataFrame(
        {
            "title": asked["title"].astype("str"),
            "label": known.astype("str"),
            "predicted": pd.Series(names[asked["label"]], asked.index, dtype="str"),
            "probability": asked["probability"].map("{:.3f}".format).astype("str"),
            "drawn": asked["drawn"].astype("str"),
            "batch": asked["batch"].astype("str"),
            "row": asked["row"],
            "review": pd.Series(review, asked.index, dtype="str"),
        }
    )
    write_frames(path, [sheet])


def read_sheet(path: Path, options: ReadOptions, work: Path | None = None) -> list[SheetRow]:
    """All rows of a filled sheet.

    Raises:
        InputError: the file cannot be read, or lacks a column.
    """
    rows = []
    for record in read_records(path, options, work):
        if not record.problem:
            _require_columns(path, record)
        fields = {name: _text(record.fields.get(name)) for name in REQUIRED}
        rows.append(SheetRow(record.row + _FIRST_ROW, fields, record.problem or ""))
    return rows


def check_rows(rows: list[SheetRow], review: str, asked: pd.DataFrame) -> Iterator[Answer]:
    """What each row says, checked against what the review asked.

    Args:
        rows: of one sheet, in order.
        review: name of the review.
        asked: its rows: `batch`, `row`, `record_id` and `title`.
    """
    rows_asked = zip(asked["batch"], asked["row"].astype("str"), strict=True)
    headlines = zip(asked["record_id"], asked["title"], strict=True)
    titles = dict(zip(rows_asked, headlines, strict=True))
    before: dict[str, int] = {}  # number of the row by record id
    for row in rows:
        answer = _answer(row, review, titles)
        if answer.record_id and (number := before.setdefault(answer.record_id, row.number)) != (
            row.number
        ):
            answer = Answer(problem=f"the headline is already in row {number}")
        yield answer


def _answer(
    row: SheetRow, review: str, titles: Mapping[tuple[str, str], tuple[str, str]]
) -> Answer:
    if row.problem:
        return Answer(problem=row.problem)
    fields = row.fields
    if fields["review"] != review:
        return Answer(problem=f"it is of the review {fields['review']!r:.40}, not of {review!r}")
    batch, position = fields["batch"], fields["row"].removesuffix(".0")
    if (batch, position) not in titles:
        return Answer(problem=f"the review did not ask about row {position!r:.20} of {batch!r:.60}")
    identity, title = titles[batch, position]
    if record_id(fields["title"]) not in (identity, record_id(f"'{title}")):
        return Answer(problem=f"the title was changed; it is {title!r}")
    if not fields["label"]:
        return Answer(identity)
    label = parse_label(fields["label"])
    if label is None:
        return Answer(problem=f"{fields['label']!r:.40} is not a label")
    return Answer(identity, label)


def _require_columns(path: Path, record: Record) -> None:
    missing = [name for name in REQUIRED if name not in record.fields]
    if missing:
        raise InputError(
            f"it has no column {', '.join(missing)}",
            str(path),
            "hand back the sheet that `headlines review` wrote with its columns, and fill in label",
        )


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
