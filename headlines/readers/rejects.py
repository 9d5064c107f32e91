"""Reads and writes rejects: rows that cannot be used, each with its reason and its bytes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
# Rows are refused as a whole where a larger share and a larger number of them are rejected.
MAX_REJECT_RATE, MAX_REJECTS = 0.05, 10
_BUFFER_ROWS, _BUFFER_BYTES = 10_000, 16 << 20


class Reject(NamedTuple):
    """One row that cannot be used.

    Attributes:
        row: its position in the batch, from 0.
        reason: why, in words.
        raw: its bytes.
    """

    row: int
    reason: str
    raw: bytes


class RejectWriter:
    """Writes rejects to one Parquet file of `SCHEMA`; without rejects, there is no file.

    Memory does not grow with their number.

    Attributes:
        count: how many rejects were added.
        reasons: how many for each reason.
    """

    def __init__(
        self, path: Path, buffer_rows: int = _BUFFER_ROWS, buffer_bytes: int = _BUFFER_BYTES
    ) -> None:
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self._path = path
        self._buffer: list[Reject] = []
        self._bytes = 0
        self._max_rows, self._max_bytes = buffer_rows, buffer_bytes
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "RejectWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._buffer:
            self._write()
        if self._writer is not None:
            self._writer.close()

    def add(self, reject: Reject) -> None:
        """Append one reject."""
        self.count += 1
        self.reasons[reject.reason] += 1
        self._buffer.append(reject)
        self._bytes += len(reject.raw)
        if len(self._buffer) >= self._max_rows or self._bytes >= self._max_bytes:
            self._write()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, SCHEMA, compression="zstd")
        columns = zip(*self._buffer, strict=True)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)
        ]
        self._writer.write_table(pa.table(arrays, schema=SCHEMA))
        self._buffer.clear()
        self._bytes = 0


def read_rejects(path: Path) -> Iterator[Reject]:
    """Yield the rejects of a file of `SCHEMA`; memory does not grow with their number."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BUFFER_ROWS):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield Reject(*values)


def check_reject_limit(
    counts: Mapping[str, Any], location: str, max_reject_rate: float, max_rejects: int
) -> None:
    """Refuse rows of which too many are rejected.

    Args:
        counts: numbers of rows: `rows_in`, at least one; `rejected` of them; and `reasons`, the
            rejected ones by reason, the commonest first.
        location: of the rows.
        max_reject_rate: the largest share of rejects,
        max_rejects: or, if it is more, the largest number of them.

    Raises:
        InputError: there are more; or no row is left.
    """
    rejected, rows_in = counts["rejected"], counts["rows_in"]
    rate = rejected / rows_in
    too_many = rate > max_reject_rate and rejected > max_rejects
    if rejected < rows_in and not too_many:
        return
    limit = f", more than {max_reject_rate:.1%}" if too_many else ""
    commonest = "; ".join(
        f"{reason} ({rows})" for reason, rows in list(counts["reasons"].items())[:3]
    )
    raise InputError(
        f"{rejected} of {rows_in} rows ({rate:.1%}) cannot be used{limit}: {commonest}",
        location,
        "fix the file, or allow more with --max-reject-rate or --max-rejects"
        if rejected < rows_in
        else "fix the file",
    )
