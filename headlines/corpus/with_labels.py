"""A corpus with the labels of reviews: those chosen in train, those drawn by lot as `reviewed`."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines.corpus.soft_labels import PROBABILITIES
from headlines.corpus.write_files import TRAINING_SCHEMA
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.readers.titles import visible_text
from headlines.review.labelled import labelled_reviews, read_labels
from headlines.review.selection import BY_LOT
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import WITH_LABELS
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

REVIEWED = "reviewed"  # the split of the headlines that were drawn by lot
_PART = "labels.parquet"
_KEPT_OUT = "the headline is in dev or test"
_UNDECIDED = "people disagree on a headline drawn by lot"


def base_of(name: str) -> str | None:
    """The corpus that a name such as `inews+labels` adds labels to; None for any other name."""
    return name.removesuffix(WITH_LABELS) if name.endswith(WITH_LABELS) else None


def held_out_splits(corpus: Artifact) -> tuple[str, ...]:
    """The splits to evaluate on: dev, test, and `reviewed` where there is one."""
    reviewed = corpus.counts["splits"].get(REVIEWED, {"rows": 0})
    return ("dev", "test", REVIEWED) if reviewed["rows"] else ("dev", "test")


def require_labels(root: DataRoot) -> None:
    """Check that there are labels.

    Raises:
        InputError: there are none.
    """
    if not root.store.list_artifacts(root.labels):
        raise InputError(
            "there are no labels of reviews",
            root.location(root.labels),
            "ask people for some with `headlines review`, and hand them in with `headlines label`",
        )


def add_labels(root: DataRoot, name: str, base: Artifact) -> Artifact:
    """Build a corpus with the labels of all reviews, or reuse it.

    Headlines that were drawn by lot become the split `reviewed`, a second dev: they are kept out of
    training, and rows of train with the same text are flagged as leaked, as is the headline. Those
    that were chosen are added to train; one on which people disagree has the shares of their votes
    as its soft label. Dev and test stay as they are: a reviewed headline that is in either is left
    out. Of a headline that was reviewed twice, the latest label counts.

    Args:
        root: the data root.
        name: of the corpus.
        base: the corpus without these labels.

    Raises:
        InputError: there are no labels, or they are damaged.
    """
    require_labels(root)
    reviews = labelled_reviews(root)
    recipe = Recipe(
        "labelled corpus",
        STAGES["labelled corpus"].version,
        tuple(artifact.as_source() for artifact in (base, *reviews)),
        {"name": name},
    )
    write = partial(_write, base=base, reviews=reviews)
    return root.store.publish(root.corpus(name), recipe, write)


@dataclass(frozen=True)
class _Labels:
    """The labels to add.

    Attributes:
        train: rows of `TRAINING_SCHEMA`.
        reviewed: the same.
        left_out: how many labels were left out, by reason.
    """

    train: pd.DataFrame
    reviewed: pd.DataFrame
    left_out: dict[str, int]


def _write(draft: Path, base: Artifact, reviews: Sequence[Artifact]) -> dict[str, Any]:
    known = pd.concat(_read_keys(base), ignore_index=True)
    added = _labels(known, base.counts["rows_in"], reviews)
    in_lot = pa.array(added.reviewed["record_id"])
    counts = {split: dict(numbers) for split, numbers in base.counts["splits"].items()}
    for path, split in _parts(base):
        target = draft / path
        target.parent.mkdir(exist_ok=True)
        if split == "train":
            counts[split]["leaked"] += _copy_train(base.directory / path, target, in_lot)
        else:
            shutil.copyfile(base.directory / path, target)
    for split, rows in (("train", added.train), (REVIEWED, added.reviewed)):
        if len(rows):
            (draft / f"split={split}").mkdir(exist_ok=True)
            table = pa.Table.from_pandas(rows, TRAINING_SCHEMA, preserve_index=False)
            pq.write_table(table, draft / f"split={split}" / _PART, compression="zstd")
        counts[split] = _added(counts.get(split, {}), rows)
    left_out = sum(added.left_out.values())
    labels = len(added.train) + len(added.reviewed)
    return {
        **base.counts,
        "source": f"{base.counts['source']} and {len(reviews)} reviews",
        "rows_in": base.counts["rows_in"] + labels + left_out,
        "rows": base.counts["rows"] + labels,
        "rejected": base.counts["rejected"] + left_out,
        "reasons": {**base.counts["reasons"], **added.left_out},
        "splits": counts,
        "labels": {"train": len(added.train), REVIEWED: len(added.reviewed)},
    }


def _parts(base: Artifact) -> Iterator[tuple[str, str]]:
    """The path of each file, with its split."""
    for file in base.manifest.files:
        if file.path.endswith(".parquet"):
            yield file.path, PurePosixPath(file.path).parent.name.removeprefix("split=")


def _read_keys(base: Artifact) -> Iterator[pd.DataFrame]:
    for path, split in _parts(base):
        columns = ["record_id", "label"]
        table = pq.read_table(base.directory / path, columns=columns, partitioning=None)
        yield table.to_pandas().assign(split=split)


def _labels(known: pd.DataFrame, first_row: int, reviews: Sequence[Artifact]) -> _Labels:
    """The labels of reviews as rows of a corpus.

    Args:
        known: `record_id`, `label` and `split` of the corpus without them.
        first_row: number of their first row.
        reviews: the labels.
    """
    by_review = [read_labels(review).assign(source=review.version) for review in reviews]
    everything = pd.concat(by_review)
    by_lot = everything["record_id"][everything["drawn"] == BY_LOT]
    rows = everything.drop_duplicates("record_id", keep="last", ignore_index=True)
    rows["by_lot"] = rows["record_id"].isin(by_lot)
    held_out = rows["record_id"].isin(known["record_id"][known["split"] != "train"])
    undecided = ~held_out & rows["by_lot"] & rows["label"].isna()
    train = known[known["split"] == "train"]
    in_train = rows["record_id"].isin(train["record_id"])
    other_labels = train.groupby("record_id")["label"].agg(["min", "max"])
    lowest, highest = (rows["record_id"].map(other_labels[name]) for name in ("min", "max"))
    conflict = (lowest != highest) | (lowest != rows["label"].astype("float64"))
    disputed = rows[list(PROBABILITIES)].max(axis=1) < 1
    for column in PROBABILITIES:
        rows[column] = rows[column].where(disputed)
    rows = rows.assign(
        row=first_row + np.arange(len(rows)),
        title=rows["title"].map(visible_text),  # as scoring reads it
        content=pd.Series(pd.NA, rows.index, dtype="str"),
        duplicate=in_train & ~rows["by_lot"],
        label_conflict=lowest.notna() & conflict.fillna(False),
        leaked=in_train & rows["by_lot"],
        weight=np.nan,
    )
    kept = rows[~held_out & ~undecided]
    left_out = {_KEPT_OUT: int(held_out.sum()), _UNDECIDED: int(undecided.sum())}
    return _Labels(
        train=kept[~kept["by_lot"]],
        reviewed=kept[kept["by_lot"]],
        left_out={reason: number for reason, number in left_out.items() if number},
    )


def _copy_train(source: Path, target: Path, in_lot: pa.Array) -> int:
    """Copy a part and flag rows with these record ids as leaked; return how many were not so."""
    flagged = 0
    with (
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer,
    ):
        position = file.schema_arrow.names.index("leaked")
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            before = table.column("leaked")
            is_leaked = pc.or_(before, pc.is_in(table.column("record_id"), in_lot))
            flagged += pc.sum(is_leaked).as_py() - pc.sum(before).as_py()
            writer.write_table(table.set_column(position, table.schema.field(position), is_leaked))
    return flagged


def _added(before: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    """The counts of a split after rows were added."""
    counts = {
        "rows": len(rows),
        "unlabelled": int(rows["label"].isna().sum()),
        "duplicates": int(rows["duplicate"].sum()),
        "label_conflicts": int(rows["label_conflict"].sum()),
        "leaked": int(rows["leaked"].sum()),
        "titles_also_in_train": int(rows["leaked"].sum()),
        "soft_labels": int(rows[PROBABILITIES[0]].notna().sum()),
        "weights": int(rows["weight"].notna().sum()),
    }
    of_label = {name: int((rows["label"] == label).sum()) for label, name in enumerate(LABELS)}
    labels = before.get("labels", {})
    return {
        **before,
        **{name: before.get(name, 0) + number for name, number in counts.items()},
        "labels": {name: labels.get(name, 0) + number for name, number in of_label.items()},
    }
