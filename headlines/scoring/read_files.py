"""Reads files of a batch into chunks of usable rows, and rejects.

A small batch is read by the run itself. The files of a large one are split into read groups, which
workers read in parallel.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import ReadOptions
from headlines.readers.formats import COMPRESSIONS
from headlines.readers.rejects import RejectWriter
from headlines.readers.row_warnings import RowWarnings
from headlines.scoring.admission import admit
from headlines.scoring.batch import errors_with_urls
from headlines.scoring.chunks import ChunkRef, chunk_refs, is_intact, write_chunk
from headlines.scoring.options import ChunkSizes
from headlines.scoring.rows import iter_blocks
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
        tables = _valid_rows(job, files, counts, rejects)
        for number, (table, is_last) in enumerate(_split(tables, job.sizes)):
            path, key = write_chunk(job.root, job.batch, job.group, table)
            is_only = job.group is None and number == 0 and is_last
            ref = ChunkRef(number, path, key, len(table), is_only, counts.share)
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
) -> Iterator[pa.Table]:
    for block in iter_blocks(files, job.options, job.root.store.work):
        counts.rows += block.row_count
        counts.read += block.size
        if len(block.rows):
            counts.absent.difference_update(block.columns)
        for record in block.records:
            counts.absent.difference_update(record.fields)
            for warning in record.warnings:
                counts.warnings.add(warning, record.row)
        admitted = admit(block, job.options)
        for reject in admitted.rejects:
            rejects.add(reject)
        counts.cut += admitted.cut
        if len(admitted.rows):
            yield admitted.rows


def _split(tables: Iterator[pa.Table], sizes: ChunkSizes) -> Iterator[tuple[pa.Table, bool]]:
    """The rows of each chunk, and whether it is the last one."""
    portions: list[pa.Table] = []
    rows = chars = 0
    for table in tables:
        lengths = np.cumsum(_chars(table))
        start = 0
        while start < len(table):
            if rows == sizes.rows or chars >= sizes.chars:
                yield pa.concat_tables(portions).combine_chunks(), False
                portions, rows, chars = [], 0, 0
            before = int(lengths[start - 1]) if start else 0
            full = int(np.searchsorted(lengths, before + sizes.chars - chars)) + 1
            end = min(len(table), full, start + sizes.rows - rows)
            portions.append(table.slice(start, end - start))
            rows += end - start
            chars += int(lengths[end - 1]) - before
            start = end
    if portions:
        yield pa.concat_tables(portions).combine_chunks(), True


def _chars(table: pa.Table) -> NDArray[np.int64]:
    """Characters of each row."""
    lengths = [pc.utf8_length(table[name]).fill_null(0) for name in ("title", "extra", "id")]
    chars: NDArray[np.int64] = np.sum(lengths, axis=0, dtype=np.int64)
    return chars
