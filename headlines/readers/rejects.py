"""Rows that could not be used, each with its reason and its bytes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)


_HELD_ROWS, _HELD_BYTES = 10_000, 16 << 20  # until they are written


class Reject(NamedTuple):
    """One row that could not be used.

    Attributes:
        row: its position in the batch, from 0.
        reason: why, in words.
        raw: its bytes.
    """

    row: int
    reason: str
    raw: bytes


class RejectWriter:
    """Writes rejects as one Parquet file of `SCHEMA`; where there are none, no file.

    Memory does not grow with their number. The batch is the partition that the file lies in.

    Attributes:
        count: how many were added.
        reasons: how many for each reason.
    """

    def __init__(self, path: Path) -> None:
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self._path = path
        self._held: list[Reject] = []
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "RejectWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._write()
        if self._writer is not None:
            self._writer.close()

    def add(self, reject: Reject) -> None:
        """Add one, behind those before it."""
        self.count += 1
        self.reasons[reject.reason] += 1
        self._held.append(reject)
        self._bytes += len(reject.raw)
        if len(self._held) >= _HELD_ROWS or self._bytes >= _HELD_BYTES:
            self._write()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, SCHEMA, compression="zstd")
        columns = zip(*self._held, strict=True)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)
        ]
        self._writer.write_table(pa.table(arrays, schema=SCHEMA))
        self._held.clear()
        self._bytes = 0


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write rejects as one Parquet file of `SCHEMA`."""
    with RejectWriter(path) as writer:
        for reject in rejects:
            writer.add(reject)


def read_rejects(path: Path) -> Iterator[Reject]:
    """The rejects of a file of `SCHEMA`, in their order; memory does not grow with their number."""
    with pq.ParquetFile(path) as file:
        for rows in file.iter_batches(_HELD_ROWS):
            for values in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                yield Reject(*values)


def by_reason(rejects: Sequence[Reject]) -> dict[str, int]:
    """How many rows each reason took, the commonest first."""
    return dict(Counter(reject.reason for reject in rejects).most_common())
