"""Rows that could not be used, each with its reason and its bytes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that could not be used.

    Attributes:
        row: its position in the batch, from 0.
        reason: why, in words.
        raw: its bytes.
    """

    row: int
    reason: str
    raw: bytes


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write rejects as one Parquet file of `SCHEMA`; the batch is the partition it lies in."""
    columns = [
        [reject.row for reject in rejects],
        [reject.reason for reject in rejects],
        [reject.raw for reject in rejects],
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path, compression="zstd")


def by_reason(rejects: Sequence[Reject]) -> dict[str, int]:
    """How many rows each reason took, the commonest first."""
    return dict(Counter(reject.reason for reject in rejects).most_common())
