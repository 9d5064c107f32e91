"""A chunk: usable rows of a batch that are scored together, an artifact of its own below `.work`.

It is named by what it holds, so it can be scored while the rest of the batch is still read, and a
run that was killed finds it again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines.errors import DamagedArtifact
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

ROWS_FILE = "rows.parquet"
CHUNK_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)
_ROWS_AT_ONCE = 10_000  # larger record batches are not faster, but take memory


@dataclass(frozen=True)
class ChunkRef:
    """Where a chunk is and what it holds, as small plain data.

    Attributes:
        number: its place in the batch, from 0.
        path: its name below the data root.
        key: of its artifact.
        rows: how many it has.
        is_only: whether the batch has no other chunk.
        read: the share of the batch that was read by then; None where the size is not known.
        offset: rows of the batch before the read group that its `row` counts from.
    """

    number: int
    path: str
    key: str
    rows: int
    is_only: bool
    read: float | None
    offset: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The reference as it stands in manifests."""
        data = asdict(self)
        data["alone"] = data.pop("is_only")
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ChunkRef":
        """The reference that `to_dict` gave."""
        data = dict(data)
        return cls(is_only=data.pop("alone"), **data)


def chunk_refs(prepared: Artifact) -> list[ChunkRef]:
    """The chunks of a batch that was read, or of a read group, in order."""
    return [ChunkRef.from_dict(chunk) for chunk in prepared.counts["pieces"]]


def write_chunk(root: DataRoot, batch: str, group: int | None, table: pa.Table) -> tuple[str, str]:
    """Publish rows as a chunk; return its name and its key.

    Args:
        root: the data root.
        batch: name of the batch.
        group: number of the read group; None if the batch has only one.
        table: of `CHUNK_SCHEMA`.
    """
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="lz4")
    rows = content.getvalue()
    # The key is made from the rows, as the file may change while it is read; and from the batch
    # and the group, as another one with the same rows must have chunks of its own to remove.
    config = {"batch": batch, "stretch": group, "rows": hashlib.sha256(rows).hexdigest()}
    recipe = Recipe("piece", STAGES["admitted"].version, (), config)

    def write(draft: Path) -> dict[str, Any]:
        (draft / ROWS_FILE).write_bytes(rows)
        return {"rows": len(table)}

    return root.store.publish(root.prepared(recipe.key), recipe, write).name, recipe.key


def read_chunk(root: DataRoot, chunk: ChunkRef) -> Iterator[pa.RecordBatch]:
    """The rows of a chunk in order, in record batches of `CHUNK_SCHEMA`.

    Raises:
        DamagedArtifact: the chunk is missing or altered.
    """
    artifact = root.store.open(chunk.path, key=chunk.key)
    if artifact is None:
        raise DamagedArtifact(root.location(chunk.path), "the chunk no longer exists")
    with pq.ParquetFile(artifact.directory / ROWS_FILE) as file:
        for rows in file.iter_batches(_ROWS_AT_ONCE):
            yield _add_offset(rows, chunk.offset) if chunk.offset else rows


def is_intact(root: DataRoot, chunk: ChunkRef) -> bool:
    """Whether a chunk exists and is undamaged."""
    return root.store.find(chunk.path, chunk.key) is not None


def _add_offset(rows: pa.RecordBatch, offset: int) -> pa.RecordBatch:
    field = CHUNK_SCHEMA.field("row")
    return rows.set_column(0, field, pc.add(rows.column("row"), offset))
