"""Reads one file of a corpus into chunks of some thousand rows, and the keys of each row for flags.

One worker reads a file from start to end: in CSV a quote may span lines, a compressed file has no
middle, and a pickle is one object. Several files of a corpus are read in parallel.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.corpus.soft_labels import PROBABILITIES, TRAINING_COLUMNS
from headlines.corpus.source_files import iter_records
from headlines.corpus.source_rows import SPLITS, USED_COLUMNS, Row, validate_row
from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import ReadOptions
from headlines.readers.rejects import Reject, RejectWriter, read_rejects
from headlines.readers.row_warnings import RowWarnings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import DataFile, Input, Recipe
from headlines.storage.stages import STAGES

_MAX_COLUMNS = 1_000  # named of those that are not used
_CHUNK_CHARS = 8 << 20  # limits chunks of long articles
ROW_KEYS_FILE = "marks.parquet"
REJECTS_FILE = "rejects.parquet"

CHUNK_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # in the file
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("label", pa.int8()),
        *(pa.field(name, pa.float32()) for name in TRAINING_COLUMNS),
    ]
)
ROW_KEYS_SCHEMA = pa.schema(
    [
        pa.field("text_high", pa.uint64(), nullable=False),  # the two halves of the record id
        pa.field("text_low", pa.uint64(), nullable=False),
        pa.field("title", pa.uint64(), nullable=False),  # digest of the title as it is in the file
        pa.field("split", pa.int8(), nullable=False),  # index in SPLITS
        pa.field("label", pa.int8(), nullable=False),  # -1 for none
    ]
)


@dataclass(frozen=True)
class ReadJob:
    """One source file to read, as small plain data for another process.

    Attributes:
        root: the data root.
        corpus: key of the corpus. It is part of the chunks' key: another corpus from the same file
            would remove shared chunks.
        path: of the file.
        sha256: its digest.
        options: how text files are read.
        of_inews: whether the file is a pickle of the iNews package.
        chunk_rows: maximum rows of a chunk.
    """

    root: DataRoot
    corpus: str
    path: str
    sha256: str
    options: ReadOptions
    of_inews: bool
    chunk_rows: int

    @property
    def recipe(self) -> Recipe:
        """Everything that decides the chunks."""
        return Recipe(
            "pieces of a corpus",
            STAGES["corpus"].version,
            (Input(self.path, self.sha256),),
            {
                "corpus": self.corpus,
                "path": self.path,
                "piece": [self.chunk_rows, _CHUNK_CHARS],
                "columns": CHUNK_SCHEMA.names,
            },
        )


def read_file(job: ReadJob) -> Artifact:
    """Publish the usable rows of a file as chunks by split, with their keys and the rejects.

    Runs in a worker, on the machine that has the file. The artifact's counts are `rows_in`, `rows`,
    `contents` (rows with an article), `soft_labels` and `weights` (rows with one, by split),
    `rejected`, `reasons`, `warnings` and `columns` (names of those that are not used, at most
    1000). `chunk_files` and `iter_rejects` read it.

    Raises:
        InputError: the file cannot be read, or changed while it was read.
    """

    def write_chunks(draft: Path) -> dict[str, Any]:
        path = Path(job.path)
        counts = {"rows_in": 0, "rows": 0, "contents": 0}
        soft_labels: Counter[str] = Counter()
        weights: Counter[str] = Counter()
        warnings = RowWarnings()
        columns: set[str] = set()
        with (
            RejectWriter(draft / REJECTS_FILE) as rejects,
            pq.ParquetWriter(draft / ROW_KEYS_FILE, ROW_KEYS_SCHEMA, compression="lz4") as keys,
        ):
            for number, chunk in enumerate(_chunks(job, rejects, warnings, columns, counts)):
                for split, rows in chunk.splits.items():
                    table = pa.table(rows.columns, schema=CHUNK_SCHEMA)
                    soft_labels[split] += len(table) - table.column(PROBABILITIES[0]).null_count
                    weights[split] += len(table) - table.column("weight").null_count
                    name = f"{number:06d}-{split}.parquet"
                    pq.write_table(table, draft / name, compression="lz4")
                keys.write_table(pa.table(chunk.keys, schema=ROW_KEYS_SCHEMA))
                counts["rows"] += len(chunk.keys["split"])
        if file_sha256(path) != job.sha256:
            raise InputError("the file changed while it was read", job.path, "ingest it again")
        return {
            **counts,
            "soft_labels": dict(+soft_labels),
            "weights": dict(+weights),
            "rejected": rejects.count,
            "reasons": dict(rejects.reasons),
            "warnings": warnings.rows,
            "columns": sorted(columns - USED_COLUMNS),
        }

    recipe = job.recipe
    return job.root.store.publish(job.root.chunk(recipe.key), recipe, write_chunks)


def chunk_files(read: Artifact, split: str) -> list[DataFile]:
    """The chunks (of `CHUNK_SCHEMA`) of one split, in the order of their rows."""
    return [file for file in read.manifest.files if file.path.endswith(f"-{split}.parquet")]


def has_training_columns(read: Sequence[Artifact]) -> bool:
    """Whether a row of these files has a soft label or a weight."""
    return any(file.counts["soft_labels"] or file.counts["weights"] for file in read)


def iter_rejects(read: Artifact) -> Iterator[Reject]:
    """Yield the rejects of a file; `row` is the position in the file."""
    for path in read.files(REJECTS_FILE):
        yield from read_rejects(path)


class _Columns:
    """Rows of one split as columns: tuples would slow down Python's garbage collector."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in CHUNK_SCHEMA.names}

    def append(self, number: int, row: Row) -> None:
        probabilities = row.soft_label or (None,) * len(PROBABILITIES)
        texts = (row.record_id, row.title, row.content)
        values = (number, *texts, row.label, *probabilities, row.weight)
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)


@dataclass
class _Chunk:
    """Consecutive rows of a file by split, and the keys of all of them."""

    splits: dict[str, _Columns] = field(default_factory=dict)
    keys: dict[str, list[int]] = field(
        default_factory=lambda: {name: [] for name in ROW_KEYS_SCHEMA.names}
    )
    characters: int = 0

    def append(self, number: int, row: Row) -> None:
        self.splits.setdefault(row.split, _Columns()).append(number, row)
        self.characters += len(row.title) + len(row.content or "")
        title = hashlib.blake2b(row.title.encode(), digest_size=8).digest()
        values = (
            int(row.record_id[:16], 16),
            int(row.record_id[16:], 16),
            int.from_bytes(title),
            SPLITS.index(row.split),
            -1 if row.label is None else row.label,
        )
        for column, value in zip(self.keys.values(), values, strict=True):
            column.append(value)


def _chunks(
    job: ReadJob,
    rejects: RejectWriter,
    warnings: RowWarnings,
    columns: set[str],
    counts: dict[str, int],
) -> Iterator[_Chunk]:
    chunk = _Chunk()
    path, work = Path(job.path), job.root.store.work
    for record in iter_records(path, job.options, work, of_inews=job.of_inews):
        counts["rows_in"] += 1
        if len(columns) < _MAX_COLUMNS:
            columns.update(record.fields)
        for warning in record.warnings:
            warnings.add(warning, record.row)
        try:
            row = validate_row(record)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        if row.label is None and row.soft_label and row.split != "train":
            warnings.add(f"{row.split} uses labels alone: a soft label does not count", record.row)
        counts["contents"] += row.content is not None
        if len(chunk.keys["split"]) == job.chunk_rows or chunk.characters >= _CHUNK_CHARS:
            yield chunk
            chunk = _Chunk()
        chunk.append(record.row, row)
    yield chunk
