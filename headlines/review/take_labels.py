"""Takes the filled sheets of a review back, and publishes the labels in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.hashing import file_sha256, json_digest
from headlines.labels import LABELS
from headlines.readers import ReadOptions
from headlines.reports.spreadsheet import write_frames
from headlines.review.labelled import LABELS_FILE, LABELS_SCHEMA, VOTES_FILE, open_labels
from headlines.review.reviews import open_review, read_asked
from headlines.review.selection import BY_LOT
from headlines.review.sheet import SheetRow, check_rows, read_sheet
from headlines.review.votes import agreement, merge_votes
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import validate_name
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

DISPUTED_FILE = "disagreements.csv"


@dataclass(frozen=True)
class FilledSheet:
    """What one person handed in.

    Attributes:
        person: the file's name without its ending.
        source: the file.
        labels: label id by record id.
        unlabelled: how many rows were left empty.
        rejected: why other rows were not accepted, by the number of the row.
    """

    person: str
    source: Input
    labels: dict[str, int]
    unlabelled: int
    rejected: dict[int, str]

    @property
    def counts(self) -> dict[str, Any]:
        """Every row of the file, as numbers."""
        rows = len(self.labels) + self.unlabelled + len(self.rejected)
        rejected = [{"row": row, "reason": why} for row, why in self.rejected.items()]
        return {
            "rows_in": rows,
            "labelled": len(self.labels),
            "unlabelled": self.unlabelled,
            "rejected": rejected,
        }


def take_labels(root: DataRoot, files: Sequence[Path], options: ReadOptions) -> Artifact:
    """Publish the labels in filled sheets of one review, one sheet for each person.

    Sheets that other people handed in before count too; one of the same file name replaces the
    labels of the one before, which stays in `superseded/`. The artifact holds

    - `labels.parquet`: a row for each headline that anyone labelled, see `merge_votes`;
    - `votes.parquet`: who gave which label;
    - `disagreements.csv`: the headlines on which people disagree, if there are any.

    Args:
        root: the data root.
        files: the sheets.
        options: how they are read.

    Raises:
        InputError: a file cannot be read or is not a sheet; the files are of several reviews or
            have the same name; or there is no label in them. Nothing is changed then.
    """
    _check_names(files)
    rows_of = {path: read_sheet(path, options, root.store.work) for path in files}
    name = _review_of(rows_of)
    review = open_review(root, name)
    asked = read_asked(review)
    sheets = [_filled(root, path, rows, name, asked) for path, rows in rows_of.items()]
    if not any(sheet.labels for sheet in sheets):
        raise _no_labels(sheets)
    with root.store.lock("reviewing"):
        votes, sources, counts = _with_earlier(root, name, sheets)
        labels = _labels(asked, votes)
        recipe = Recipe(
            "labels",
            STAGES["labels"].version,
            (review.as_source(), *sources.values()),
            {"people": list(sources), "votes": json_digest(votes.to_dict("list"))},
        )

        def write(draft: Path) -> dict[str, Any]:
            table = pa.Table.from_pandas(labels, schema=LABELS_SCHEMA, preserve_index=False)
            pq.write_table(table.replace_schema_metadata(None), draft / LABELS_FILE)
            pq.write_table(
                pa.Table.from_pandas(votes, preserve_index=False).replace_schema_metadata(None),
                draft / VOTES_FILE,
            )
            disputed = _disputed(labels, votes)
            if len(disputed):
                write_frames(draft / DISPUTED_FILE, [disputed])
            return {
                "review": name,
                "asked_at": review.manifest.created_at,
                "asked": len(asked),
                "asked_by_lot": int((asked["drawn"] == BY_LOT).sum()),
                "labelled": len(labels),
                "labelled_by_lot": int((labels["drawn"] == BY_LOT).sum()),
                "without_majority": int(labels["label"].isna().sum()),
                "people": counts,
                "agreement": asdict(agreement(_own(votes, asked))),
            }

        return root.store.publish(root.labels_of(name), recipe, write, keep_old=True)


def _check_names(files: Sequence[Path]) -> None:
    for person, number in Counter(path.stem for path in files).items():
        if number > 1:
            raise InputError(
                f"{number} files have the name {person!r}, which tells people apart",
                "FILE",
                "rename them after the people who filled them in",
            )


def _review_of(rows_of: dict[Path, list[SheetRow]]) -> str:
    """The review that the sheets are of: the one that most rows of each name."""
    reviews = {}
    for path, rows in rows_of.items():
        named = Counter(row.fields["review"] for row in rows if row.fields["review"])
        if not named:
            raise InputError(
                "no row names its review",
                str(path),
                "keep the column review of the sheet that `headlines review` wrote",
            )
        reviews[path] = named.most_common(1)[0][0]
    if len(set(reviews.values())) > 1:
        each = ", ".join(f"{path.name} of {review!r}" for path, review in reviews.items())
        raise InputError(f"they are of several reviews: {each}", "FILE", "label one at a time")
    return validate_name(next(iter(reviews.values())), "review name")


def _filled(
    root: DataRoot, path: Path, rows: list[SheetRow], review: str, asked: pd.DataFrame
) -> FilledSheet:
    labels: dict[str, int] = {}
    rejected: dict[int, str] = {}
    unlabelled = 0
    for row, answer in zip(rows, check_rows(rows, review, asked), strict=True):
        if answer.problem:
            rejected[row.number] = answer.problem
        elif answer.label is None:
            unlabelled += 1
        else:
            labels[answer.record_id] = answer.label
    source = Input(root.store.name_of(path.resolve()), file_sha256(path), len(rows))
    return FilledSheet(path.stem, source, labels, unlabelled, rejected)


def _no_labels(sheets: Sequence[FilledSheet]) -> InputError:
    rejected = [why for sheet in sheets for why in sheet.rejected.values()]
    empty = sum(sheet.unlabelled for sheet in sheets)
    most = f", {len(rejected)} were not accepted (the first: {rejected[0]})" if rejected else ""
    return InputError(
        f"there is no label: {empty} rows are empty{most}",
        ", ".join(sheet.source.path for sheet in sheets),
        f"fill in the column label with {', '.join(LABELS)}, or 正面, 中性, 负面",
    )


def _with_earlier(
    root: DataRoot, review: str, sheets: Sequence[FilledSheet]
) -> tuple[pd.DataFrame, dict[str, Input], dict[str, Any]]:
    """The votes of all people, and by person the file and its counts; in order of person."""
    new = {sheet.person: sheet for sheet in sheets}
    sources = {person: sheet.source for person, sheet in new.items()}
    counts = {person: sheet.counts for person, sheet in new.items()}
    votes = [
        pd.DataFrame({"record_id": sheet.labels.keys(), "label": sheet.labels.values()}).assign(
            person=person
        )
        for person, sheet in new.items()
    ]
    if (before := open_labels(root, review)) is not None:
        earlier = pd.read_parquet(before.directory / VOTES_FILE)
        votes.append(earlier[~earlier["person"].isin(new)])
        files = before.manifest.inputs[1:]
        sources = dict(zip(before.manifest.config["people"], files, strict=True)) | sources
        counts = before.counts["people"] | counts
    merged = pd.concat(votes).astype({"record_id": "str", "label": "int8", "person": "str"})
    ordered = merged.sort_values(["person", "record_id"], ignore_index=True)
    return (
        ordered[["person", "record_id", "label"]],
        dict(sorted(sources.items())),
        dict(sorted(counts.items())),
    )


def _labels(asked: pd.DataFrame, votes: pd.DataFrame) -> pd.DataFrame:
    columns = ["batch", "row", "record_id", "title", "drawn", "label", "model"]
    rows = asked[columns].rename(columns={"label": "predicted"})
    return rows.join(merge_votes(votes), on="record_id", how="inner")


def _own(votes: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """The votes but for headlines whose sheet had a label already: nobody chose it."""
    return votes[~votes["record_id"].isin(asked["record_id"][asked["known"].notna()])]


def _disputed(labels: pd.DataFrame, votes: pd.DataFrame) -> pd.DataFrame:
    """The headlines on which people disagree, with the label of each person."""
    shares = labels[[f"p_{name}" for name in LABELS]]
    disputed = labels[shares.max(axis=1) < 1][["title", "batch", "row", "record_id"]]
    names = votes.assign(name=[LABELS[label] for label in votes["label"]])
    by_person = names.pivot(index="record_id", columns="person", values="name").astype("str")
    # A person's file may be called `title`, like a column.
    joined = disputed.join(by_person, on="record_id", rsuffix=" (person)")
    return joined.drop(columns="record_id")
