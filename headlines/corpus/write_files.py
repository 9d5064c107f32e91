"""Writes the parts of a corpus from the chunks that hold their rows, and adds the flags."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.corpus.flags import Flags, RowKeys
from headlines.corpus.read_files import chunk_files, has_training_columns
from headlines.corpus.soft_labels import TRAINING_COLUMNS
from headlines.corpus.source_rows import SPLITS
from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256, json_digest
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("label", pa.int8()),
        pa.field("duplicate", pa.bool_(), nullable=False),
        pa.field("label_conflict", pa.bool_(), nullable=False),
        pa.field("leaked", pa.bool_(), nullable=False),
    ]
)
# Of a corpus with soft labels or weights.
TRAINING_SCHEMA = pa.schema([*SCHEMA, *(pa.field(name, pa.float32()) for name in TRAINING_COLUMNS)])
PART_FILE = "rows.parquet"  # in the artifact of a part
_FLAGS = ("duplicate", "label_conflict", "leaked")
_ROW_GROUP_BYTES = 32 << 20  # of text: parts with articles have several row groups


@dataclass(frozen=True)
class ChunkRange:
    """A range of rows of one chunk.

    Attributes:
        path: of the chunk: the name of its artifact and the file in it.
        sha256: its digest.
        start: the first row.
        stop: the row after the last one.
        source: name of the source file of the chunk.
        rows_before: rows of the source files before that one.
    """

    path: str
    sha256: str
    start: int
    stop: int
    source: str
    rows_before: int


@dataclass(frozen=True)
class WriteJob:
    """One part of a corpus to write, as small plain data for another process.

    Attributes:
        root: the data root.
        corpus: key of the corpus.
        name: of the part in the corpus.
        ranges: its rows, in order.
        flags: packed bits: `duplicate` of all rows, then `label_conflict`, then `leaked`.
        schema: of the corpus.
    """

    root: DataRoot
    corpus: str
    name: str
    ranges: tuple[ChunkRange, ...]
    flags: bytes
    schema: pa.Schema

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(rows.stop - rows.start for rows in self.ranges)

    @property
    def recipe(self) -> Recipe:
        """Everything that decides the part."""
        return Recipe(
            "part of a corpus",
            STAGES["corpus"].version,
            tuple(Input(rows.path, rows.sha256, rows.stop - rows.start) for rows in self.ranges),
            {
                "corpus": self.corpus,
                "name": self.name,
                "slices": json_digest([asdict(rows) for rows in self.ranges]),
                "flags": hashlib.sha256(self.flags).hexdigest(),
                "pandas": self.schema.metadata[b"pandas"].decode(),
            },
        )


def write_jobs(
    root: DataRoot,
    corpus: str,
    read: Sequence[Artifact],
    keys: RowKeys,
    flags: Flags,
    part_rows: int,
) -> Iterator[WriteJob]:
    """Yield the parts of a corpus, split by split.

    Args:
        root: the data root.
        corpus: key of the corpus.
        read: the results of `read_file` for the sources, in order.
        keys: of all rows.
        flags: of all rows.
        part_rows: rows of a part; the last one of a split may have fewer.
    """
    schema = _with_pandas_metadata(
        TRAINING_SCHEMA if has_training_columns(read) else SCHEMA,
        contents=any(file.counts["contents"] for file in read),
    )
    for split in sorted(SPLITS):
        split_rows = np.flatnonzero(keys.split == SPLITS.index(split))
        chunks = list(_chunk_ranges(read, split))
        for number, start in enumerate(range(0, len(split_rows), part_rows)):
            rows = split_rows[start : start + part_rows]
            yield WriteJob(
                root=root,
                corpus=corpus,
                name=f"split={split}/part-{number:05d}.parquet",
                ranges=tuple(_intersect(chunks, start, start + len(rows))),
                flags=np.packbits(
                    np.concatenate([getattr(flags, name)[rows] for name in _FLAGS])
                ).tobytes(),
                schema=schema,
            )


def write_part(job: WriteJob) -> Artifact:
    """Write one part of a corpus; runs in a worker.

    Raises:
        DamagedArtifact: a chunk is not what was read.
    """

    def write_rows(draft: Path) -> dict[str, Any]:
        with pq.ParquetWriter(draft / PART_FILE, job.schema, compression="zstd") as writer:
            for row_group in _row_groups(job):
                writer.write_table(row_group)
        return {}

    recipe = job.recipe
    return job.root.store.publish(job.root.chunk(recipe.key), recipe, write_rows)


def _row_groups(job: WriteJob) -> Iterator[pa.Table]:
    tables: list[pa.Table] = []
    for table in _tables(job):
        if tables and sum(held.nbytes for held in (*tables, table)) > _ROW_GROUP_BYTES:
            yield pa.concat_tables(tables).combine_chunks()
            tables.clear()
        tables.append(table)
    yield pa.concat_tables(tables).combine_chunks()


def _tables(job: WriteJob) -> Iterator[pa.Table]:
    bits = np.unpackbits(np.frombuffer(job.flags, np.uint8), count=len(_FLAGS) * job.rows)
    flags = bits.astype(bool).reshape(len(_FLAGS), job.rows)
    done = 0
    for rows in job.ranges:
        artifact, _, file = rows.path.rpartition("/")
        read = job.root.store.open(artifact, [file])
        if read is None or file_sha256(read.directory / file) != rows.sha256:
            raise DamagedArtifact(job.root.location(artifact), f"{file} is not what was read")
        table = pq.read_table(read.directory / file, partitioning=None)
        table = table.slice(rows.start, rows.stop - rows.start)
        columns = {name: table.column(name) for name in table.column_names}
        columns["row"] = pa.array(columns["row"].to_numpy() + rows.rows_before)
        columns["source"] = pa.repeat(rows.source, len(table))
        for name, values in zip(_FLAGS, flags, strict=True):
            columns[name] = values[done : done + len(table)]
        done += len(table)
        schema = job.schema.remove_metadata()
        yield pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _chunk_ranges(read: Sequence[Artifact], split: str) -> Iterator[ChunkRange]:
    """Yield all chunks of a split, each as a whole."""
    rows_before = 0
    for file in read:
        [source] = file.manifest.inputs
        for chunk in chunk_files(file, split):
            path, name = f"{file.name}/{chunk.path}", Path(source.path).name
            yield ChunkRange(path, chunk.sha256, 0, chunk.rows or 0, name, rows_before)
        rows_before += file.counts["rows_in"]


def _intersect(chunks: Sequence[ChunkRange], start: int, stop: int) -> Iterator[ChunkRange]:
    """Yield the ranges of consecutive chunks between two rows of their split."""
    offset = 0
    for chunk in chunks:
        first, last = max(start - offset, 0), min(stop - offset, chunk.stop)
        if first < last:
            yield replace(chunk, start=first, stop=last)
        offset += chunk.stop


def _with_pandas_metadata(schema: pa.Schema, *, contents: bool) -> pa.Schema:
    """The schema as pandas writes it, of a corpus with articles or without."""
    import pandas as pd  # not needed by workers

    text = pd.Series([], dtype="str")
    columns = {
        **dict.fromkeys(("source", "record_id", "title"), text),
        "row": pd.Series([], dtype="int64"),
        "content": text if contents else pd.Series([], dtype="object"),
        "label": pd.Series([], dtype="Int8"),
        **{name: pd.Series([], dtype="bool") for name in _FLAGS},
        **{name: pd.Series([], dtype="float32") for name in TRAINING_COLUMNS},
    }
    frame = pd.DataFrame(columns)[schema.names]
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).schema
