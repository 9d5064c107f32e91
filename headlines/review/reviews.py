"""Opens reviews and reads what they asked about."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from headlines.errors import DamagedArtifact, InputError
from headlines.labels import LABELS
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

ASKED_FILE, SHEET_FILE = "asked.parquet", "sheet.csv"
ASKED_SCHEMA = pa.schema(
    [
        pa.field("batch", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),  # predicted
        pa.field("probability", pa.float32(), nullable=False),
        *(pa.field(f"p_{name}", pa.float32(), nullable=False) for name in LABELS),
        pa.field("model", pa.string(), nullable=False),
        pa.field("drawn", pa.string(), nullable=False),
        pa.field("known", pa.int8()),  # label from an earlier review
    ]
)


def open_review(root: DataRoot, name: str, files: Sequence[str] = (ASKED_FILE,)) -> Artifact:
    """A review with some of its files.

    Raises:
        InputError: there is none of that name, or it is damaged.
    """
    try:
        review = root.store.open(root.review(name), files)
    except DamagedArtifact as damage:
        hint = "restore it from a copy, or remove it and review again"
        raise InputError(
            f"the review is damaged ({damage.reason})", damage.directory, hint
        ) from damage
    if review is None:
        raise InputError(
            f"there is no review {name!r}",
            root.location(root.asked),
            "take a sheet that `headlines review` wrote, with its column review",
        )
    return review


def read_asked(review: Artifact) -> pd.DataFrame:
    """What a review asked about, a row for each headline in the order of the sheet."""
    return pd.read_parquet(review.directory / ASKED_FILE).astype({"known": "Int8"})


def asked_before(root: DataRoot) -> pd.DataFrame:
    """`record_id` and `drawn` of what all reviews asked about."""
    names = (name.rpartition("/")[2] for name in root.store.list_artifacts(root.asked))
    columns = ["record_id", "drawn"]
    empty = pd.DataFrame({name: pd.Series(dtype="str") for name in columns})
    return pd.concat([empty, *(read_asked(open_review(root, name))[columns] for name in names)])
