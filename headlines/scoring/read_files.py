"""Reads files of a batch into chunks of usable rows, and rejects.

A small batch is read by the run itself. The files of a large one are split into read groups, which
workers read in parallel.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import ReadOptions
from headlines.readers.formats import COMPRESSIONS
from headlines.readers.rejects import Reject, RejectWriter
from headlines.readers.row_warnings import RowWarnings
from headlines.readers.titles import MAX_TITLE
from headlines.scoring.batch import errors_with_urls
from headlines.scoring.chunks import CHUNK_SCHEMA, ChunkRef, chunk_refs, is_intact, write_chunk
from headlines.scoring.options import ChunkSizes
from headlines.scoring.rows import ValidRow, iter_records, validate_row
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

REJECTS_FILE = "rejects.parquet"


@dataclass(frozen=True)
class ReadJob:
    """Files of a batch that are read one after the other: small plain data for another process.

    Attributes:
        root: the data root.
        batch: name of the batch.
        group: number of the read group; None if these are all files of the batch.
        paths: names of the files.
        digests: SHA-256 of each.
        options: how they are read.
        sizes: where chunks end.
    """

    root: DataRoot
    batch: str
    group: int | None
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    options: ReadOptions
    sizes: ChunkSizes

    @property
    def recipe(self) -> Recipe:
        """All that decides what is read of a group."""
        config = {
            "batch": self.batch,
            "stretch": self.group,
            "reading": self.options.to_config(),
            "piece": [self.sizes.rows, self.sizes.chars],
        }
        inputs = tuple(map(Input, self.paths, self.digests))
        return Recipe("stretch", STAGES["admitted"].version, inputs, config)

    @property
    def target(self) -> str:
        """The name of the counts and rejects of a group, until the batch is read."""
        return self.root.prepared(self.recipe.key)


def read_group(job: ReadJob) -> Artifact:
    """Read a group of files, or reuse what was read of it: counts as `read_files` gives them.

    Runs in a worker. `row` of its chunks and rejects counts from the group's first row.

    Raises:
        InputError: a file cannot be read, or is not the one that was named.
    """
    if (existing := find_reusable(job.root, job.target, job.recipe)) is not None:
        return existing

    def write(draft: Path) -> dict[str, Any]:
        files = [job.root.store.fetch(path) for path in job.paths]
        return read_files(job, files, draft, lambda _: None)

    with errors_with_urls(job.root):
        return job.root.store.publish(job.target, job.recipe, write)


def find_reusable(root: DataRoot, name: str, recipe: Recipe) -> Artifact | None:
    """What was read before, if all its chunks are intact; else it is removed."""
    existing = root.store.find(name, recipe.key)
    if existing is None:
        return None
    if all(is_intact(root, chunk) for chunk in chunk_refs(existing)):
        return existing
    root.store.remove(name)
    return None


def read_files(
    job: ReadJob, files: Sequence[Path], draft: Path, on_chunk: Callable[[ChunkRef], None]
) -> dict[str, Any]:
    """Publish the usable rows of files in chunks, and write the others as rejects.

    Args:
        job: what is read.
        files: of the job, on this machine.
        draft: directory for `REJECTS_FILE`.
        on_chunk: called with each chunk when it is published, in order.

    Returns:
        `rows_in`, `admitted`, `cut` (titles that were), `rejected`, `reasons`, `warnings` (as
        `RowWarnings` has them), `absent` (columns that were named, but no row has) and `pieces`.

    Raises:
        InputError: a file cannot be read, or changed while it was read.
    """
    counts = _ReadCounts(_size_of(files), set(job.options.required_columns))
    chunks = []
    with RejectWriter(draft / REJECTS_FILE) as rejects:
        for chunk in _split(_valid_rows(job, files, counts, rejects), job.sizes):
            columns = {name: getattr(chunk, name) for name in CHUNK_SCHEMA.names}
            path, key = write_chunk(job.root, job.batch, job.group, columns)
            is_only = job.group is None and chunk.number == 0 and chunk.is_last
            ref = ChunkRef(chunk.number, path, key, len(chunk.row), is_only, counts.share)
            on_chunk(ref)
            chunks.append(ref.to_dict())
    for file, digest in zip(files, job.digests, strict=True):
        if _current_digest(file) != digest:
            raise InputError(
                "the file changed while it was read", str(file), "score it when it is whole"
            )
    return {
        "rows_in": counts.rows,
        "admitted": counts.rows - rejects.count,
        "cut": counts.cut,
        "rejected": rejects.count,
        "reasons": dict(rejects.reasons.most_common()),
        "warnings": counts.warnings.rows,
        "absent": sorted(counts.absent),
        "pieces": chunks,
    }


@dataclass
class _ReadCounts:
    """Rows read so far, and how much of the files that is.

    Attributes:
        size: of the files, in the unit of `read`; None where it is not known.
        absent: columns that were named, but no row has so far.
        rows: how many were read.
        cut: titles that were cut.
        read: bytes of text, or rows of Parquet.
        warnings: of rows that can be read.
    """

    size: int | None
    absent: set[str]
    rows: int = 0
    cut: int = 0
    read: int = 0
    warnings: RowWarnings = field(default_factory=RowWarnings)

    @property
    def share(self) -> float | None:
        """The share of the files that is read, from 0 to 1."""
        return min(1.0, self.read / self.size) if self.size else None


def _size_of(paths: Sequence[Path]) -> int | None:
    if any(path.suffix.lower() in COMPRESSIONS for path in paths):
        return None
    with contextlib.suppress(OSError, pa.ArrowException):  # the reader reports what is wrong
        return sum(
            pq.read_metadata(path).num_rows
            if path.suffix.lower() == ".parquet"
            else path.stat().st_size
            for path in paths
        )
    return None


def _current_digest(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def _valid_rows(
    job: ReadJob, files: Sequence[Path], counts: _ReadCounts, rejects: RejectWriter
) -> Iterator[ValidRow]:
    for record in iter_records(files, job.options, job.root.store.work):
        counts.rows += 1
        counts.read += 1 if record.line is None else len(record.line) + 1  # and its line end
        if counts.absent:
            counts.absent.difference_update(record.fields)
        for warning in record.warnings:
            counts.warnings.add(warning, record.row)
        try:
            row = validate_row(record, job.options)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        counts.cut += len(record.fields[job.options.title_column]) > MAX_TITLE
        yield row


class _Columns:
    """Rows of one chunk, as columns: Python's garbage collector scans tuples, but not text."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_last = False
        self.row: list[int] = []
        self.id: list[str | None] = []
        self.title: list[str] = []
        self.extra: list[str | None] = []
        self.chars = 0

    def append(self, row: ValidRow) -> None:
        self.row.append(row.row)
        self.id.append(row.id)
        self.title.append(row.title)
        self.extra.append(row.extra)
        self.chars += len(row.title) + len(row.extra or "") + len(row.id or "")


def _split(rows: Iterator[ValidRow], sizes: ChunkSizes) -> Iterator[_Columns]:
    columns = _Columns(0)
    for row in rows:
        if len(columns.row) == sizes.rows or columns.chars >= sizes.chars:
            yield columns
            columns = _Columns(columns.number + 1)
        columns.append(row)
    if columns.row:
        columns.is_last = True
        yield columns
