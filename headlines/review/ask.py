"""Makes a review: asks people about some of the predictions."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import json_digest
from headlines.review.labelled import known_labels
from headlines.review.reviews import (
    ASKED_FILE,
    ASKED_SCHEMA,
    SHEET_FILE,
    asked_before,
    open_review,
)
from headlines.review.selection import BY_LOT, LabelTitles, ReviewSize, select
from headlines.review.sheet import write_sheet
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange, dates_in
from headlines.storage.layout import validate_name
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

_PREDICTED = [name for name in ASKED_SCHEMA.names if name not in ("batch", "drawn", "known")]


@dataclass(frozen=True)
class SecondOpinion:
    """Another model, to see where it disagrees.

    Attributes:
        model: as the input of a review.
        label: labels titles.
    """

    model: Input
    label: LabelTitles


FindSecondOpinion = Callable[[set[str]], SecondOpinion | None]
"""Finds another model than those of the given versions."""


def ask(
    root: DataRoot,
    name: str | None,
    batches: Sequence[str],
    days: DayRange,
    size: ReviewSize,
    second_opinion: FindSecondOpinion,
) -> Artifact:
    """Choose headlines from predictions, and write the sheet `reviews/<name>.csv` to fill in.

    The artifact holds `asked.parquet` and a copy of the empty sheet. A review that exists is left
    as it is; where its sheet is missing, it is written again.

    Args:
        root: the data root.
        name: of the review; None for the day.
        batches: names of those to choose from; empty for all.
        days: only batches with one of these days in their names.
        size: how many headlines.
        second_opinion: finds the model that the predictions are compared with.

    Raises:
        InputError: there are no such predictions, or nothing to ask about; or there is a review of
            that name.
    """
    if name is not None:
        _check_name(name)
    predictions, read = read_predictions(root, batches, days)
    with root.store.lock("reviewing"):
        sheets = root.store.list_documents(root.reviews, ".csv")
        name = name or _new_name(root, sheets)
        if root.review_sheet(name) in sheets:
            raise InputError(
                f"there is a review {name!r} already",
                root.location(root.review_sheet(name)),
                "fill in its sheet, or choose another name with --name",
            )
        if root.store.has_manifest(root.review(name)):
            return _with_sheet(root, name)
        opinion = second_opinion(set(predictions["model"].unique()))
        earlier = asked_before(root)
        selected = select(predictions, earlier, size, opinion.label if opinion else None)
        if selected.empty:
            raise InputError(
                f"all {predictions['record_id'].nunique()} headlines were reviewed before",
                root.location(root.predictions),
                "name other batches or days, or add --again",
            )
        labels = pd.Series({} if size.again else known_labels(root), dtype="Int8")
        selected["known"] = selected["record_id"].map(labels).astype("Int8")
        recipe = Recipe(
            "review",
            STAGES["review"].version,
            (
                *(read[batch].as_source() for batch in sorted(selected["batch"].unique())),
                *([opinion.model] if opinion else []),
            ),
            {
                "name": name,
                **asdict(size),
                "predictions": json_digest([read[batch].manifest.key for batch in sorted(read)]),
                "asked": json_digest(selected["record_id"].tolist()),
            },
        )
        write = partial(_write, name=name, selected=selected, predictions=predictions)
        root.store.publish(root.review(name), recipe, write)
        return _with_sheet(root, name)


def read_predictions(
    root: DataRoot, batches: Sequence[str], days: DayRange
) -> tuple[pd.DataFrame, dict[str, Artifact]]:
    """The predictions of some batches, in order, and the artifact of each batch.

    Raises:
        InputError: there are none, or they are damaged.
    """
    names = [root.predictions_of(batch) for batch in batches]
    tables, read = [], {}
    for name in names or root.store.list_artifacts(root.predictions):
        artifact = _open_predictions(root, name)
        batch = artifact.manifest.config["batch"]
        if not days.are_all and not any(day in days for day in dates_in(batch)):
            continue
        read[batch] = artifact
        for path in artifact.files(".parquet"):
            table = pq.read_table(path, columns=_PREDICTED, partitioning=None)
            tables.append(table.add_column(0, "batch", pa.repeat(batch, len(table))))
    if not any(map(len, tables)):
        raise InputError(
            "there are no predictions to review" + ("" if days.are_all else " of these days"),
            root.location(root.predictions),
            "score headlines first, with `headlines score` or `headlines nightly`",
        )
    frame = pa.concat_tables(tables).to_pandas()
    return frame.sort_values(["batch", "row"], ignore_index=True), read


def _open_predictions(root: DataRoot, name: str) -> Artifact:
    try:
        artifact = root.store.open(name)
    except DamagedArtifact as damage:
        raise InputError(
            f"the predictions are damaged ({damage.reason})",
            damage.directory,
            "score the batch again with `headlines nightly` or `headlines score`",
        ) from damage
    if artifact is None:
        raise InputError(
            "there are no predictions of that name",
            root.location(name),
            f"name a batch as in {root.location(root.predictions)}, without `batch=`",
        )
    return artifact


def _write(
    draft: Path, name: str, selected: pd.DataFrame, predictions: pd.DataFrame
) -> dict[str, Any]:
    table = pa.Table.from_pandas(selected, schema=ASKED_SCHEMA, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), draft / ASKED_FILE, compression="zstd")
    write_sheet(draft / SHEET_FILE, name, selected)
    return {
        "headlines": len(selected),
        "drawn": {kind: int(rows) for kind, rows in selected["drawn"].value_counts().items()},
        "by_lot": int((selected["drawn"] == BY_LOT).sum()),
        "known": int(selected["known"].notna().sum()),
        "from": int(predictions["record_id"].nunique()),
        "batches": int(selected["batch"].nunique()),
        "models": sorted(predictions["model"].unique()),
    }


def _with_sheet(root: DataRoot, name: str) -> Artifact:
    """The review, after its sheet was written; a run that was killed may not have done that."""
    review = open_review(root, name, (ASKED_FILE, SHEET_FILE))
    root.store.write_document(root.review_sheet(name), (review.directory / SHEET_FILE).read_bytes())
    return review


def _new_name(root: DataRoot, sheets: Sequence[str]) -> str:
    """The first free name of today; it begins with a letter, as `_check_name` asks."""
    names = (f"review-{datetime.now(UTC):%Y-%m-%d}-{number}" for number in itertools.count(1))
    return next(
        name
        for name in names
        if root.review_sheet(name) not in sheets and not root.store.has_manifest(root.review(name))
    )


def _check_name(name: str) -> None:
    if not validate_name(name, "review name")[0].isalpha():
        raise InputError(
            f"a spreadsheet may change {name!r} to a number or a date",
            "--name",
            "begin it with a letter",
        )
