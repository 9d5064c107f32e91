"""`RowBlock`: consecutive rows of a file, most of them as columns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headlines.readers.record import Record

_RECORDS = 1_000  # of a block without columns


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows of a file: each is in the columns, or a record.

    Attributes:
        records: rows that were read one by one, in order.
        rows: position in the file of each row of the columns, in order.
        columns: by name, in the order of the file, each as long as `rows`.
        line: gives the bytes of a row of the columns, as `Record.line` has them.
        size: bytes of text, or rows of a format without lines.
    """

    records: list[Record]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: dict[str, pa.Array] = field(default_factory=dict)
    line: Callable[[int], bytes | None] = lambda _: None
    size: int = 0

    @property
    def row_count(self) -> int:
        """Rows of both kinds."""
        return len(self.records) + len(self.rows)

    def record(self, position: int) -> Record:
        """A row of the columns as the row-by-row reader would give it."""
        fields: dict[str, Any] = {
            name: values[position].as_py() for name, values in self.columns.items()
        }
        return Record(int(self.rows[position]), fields, self.line(position))

    def shifted(self, rows: int) -> "RowBlock":
        """The same after some more rows."""
        if not rows:
            return self
        records = [record._replace(row=record.row + rows) for record in self.records]
        return replace(self, records=records, rows=self.rows + rows)


def blocks_of(records: Iterable[Record]) -> Iterator[RowBlock]:
    """Records in blocks without columns."""
    rest = iter(records)
    while some := list(islice(rest, _RECORDS)):
        yield block_of(some)


def block_of(records: list[Record]) -> RowBlock:
    """Records as one block without columns."""
    size = sum(1 if record.line is None else len(record.line) + 1 for record in records)
    return RowBlock(records, size=size)
