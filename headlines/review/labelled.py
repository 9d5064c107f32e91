"""Reads the labels that people gave in reviews."""

import pandas as pd
import pyarrow as pa

from headlines.errors import DamagedArtifact, InputError
from headlines.labels import LABELS
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

LABELS_FILE, VOTES_FILE = "labels.parquet", "votes.parquet"
LABELS_SCHEMA = pa.schema(
    [
        pa.field("batch", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("label", pa.int8()),  # null where as many people chose another one
        pa.field("votes", pa.int64(), nullable=False),
        *(pa.field(f"p_{name}", pa.float64(), nullable=False) for name in LABELS),
        pa.field("drawn", pa.string(), nullable=False),
        pa.field("predicted", pa.int8(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
    ]
)


def labelled_reviews(root: DataRoot) -> list[Artifact]:
    """The labels of each review that has any, the earliest review first.

    Raises:
        InputError: some are damaged: they are people's work, and never made again silently.
    """
    reviews = []
    for name in root.store.list_artifacts(root.labels):
        if (artifact := open_labels(root, name.rpartition("/")[2])) is not None:
            reviews.append(artifact)
    return sorted(reviews, key=lambda artifact: (artifact.counts["asked_at"], artifact.name))


def open_labels(root: DataRoot, review: str) -> Artifact | None:
    """The labels of a review; None if it has none.

    Raises:
        InputError: they are damaged.
    """
    try:
        return root.store.open(root.labels_of(review))
    except DamagedArtifact as damage:
        raise InputError(
            f"the labels are damaged ({damage.reason})",
            damage.directory,
            "restore them from a copy, or remove them and hand all filled sheets of the review to "
            "`headlines label` again",
        ) from damage


def read_labels(artifact: Artifact) -> pd.DataFrame:
    """The labels of a review, columns of `LABELS_SCHEMA`, in the order of its sheet."""
    return pd.read_parquet(artifact.directory / LABELS_FILE).astype({"label": "Int8"})


def known_labels(root: DataRoot) -> dict[str, int]:
    """The label of each headline that people agree on, by record id; the latest review counts."""
    known: dict[str, int] = {}
    for artifact in labelled_reviews(root):
        labels = read_labels(artifact).dropna(subset="label")
        known |= dict(zip(labels["record_id"], labels["label"].astype(int), strict=True))
    return known
