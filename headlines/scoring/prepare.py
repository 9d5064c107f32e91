"""Admits a batch: its usable rows in pieces that are scored one by one, the others as rejects.

A batch of many files is read in stretches by the workers, several at a time. Where a stretch ends
depends on the sizes of the files alone, so that the pieces do not depend on who reads them.
"""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.errors import DamagedArtifact, InputError
from headlines.readers import ReadOptions
from headlines.readers.rejects import RejectWriter, read_rejects
from headlines.scoring.batch import Batch
from headlines.scoring.read_chunks import (
    CHUNK_SCHEMA,
    REJECTS_FILE,
    ROWS_FILE,
    ChunkRef,
    ReadJob,
    chunk_refs,
    find_reusable,
    read_files,
    read_group,
)
from headlines.scoring.rows import iter_records
from headlines.storage.artifact import (
    Artifact,
    copy_file,
    have_here,
    open_artifact,
    publish,
    remove,
)
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

CHUNK_ROWS = 50_000
CHUNK_CHARS = 32 << 20  # characters, where other columns hold whole articles
READ_GROUP_BYTES = 16 << 20  # of files as they lie on disk; some seconds of reading
_ROWS_AT_ONCE = 10_000  # of a piece: more are not scored sooner, but take memory
MAX_REJECT_RATE = 0.05


def prepare_batch(
    catalog: Catalog,
    batch: Batch,
    reading: ReadOptions,
    on_piece: Callable[[ChunkRef], None] = lambda _: None,
) -> Artifact:
    """Read a batch; write its usable rows in pieces, and the others as rejects.

    Args:
        catalog: the data root.
        batch: the batch.
        reading: how its files are to be read.
        on_piece: told of each piece as soon as it is there, in their order.

    Raises:
        InputError: a file cannot be read, or changed while it was read, or there are no rows.
    """
    recipe = _admission(catalog, batch, reading)
    target = _admitted_directory(catalog, recipe)
    if (before := find_reusable(catalog, target, recipe)) is not None:
        for piece in chunk_refs(before):
            on_piece(piece)
        return before
    stretches = _read_groups(catalog, batch, reading)

    def write(draft: Path) -> dict[str, Any]:
        if len(stretches) == 1:
            counts = read_files(stretches[0], draft, on_piece)
        else:
            counts = _merge_groups(catalog, batch, stretches, draft, on_piece)
        if not counts["rows_in"]:
            raise _without_rows(batch)
        return counts

    admitted = publish(catalog, target, recipe, write)
    if len(stretches) > 1:
        for stretch in stretches:
            remove(catalog, stretch.directory)
    return admitted


def check_first_row(batch: Batch, reading: ReadOptions) -> None:
    """Read the first row of a batch.

    Raises:
        InputError: a file before it cannot be read, or there are no rows.
    """
    if next(iter_records(batch.files, reading, alone=len(batch.files) == 1), None) is None:
        raise _without_rows(batch)


def read_chunk(catalog: Catalog, piece: ChunkRef) -> Iterator[pa.RecordBatch]:
    """The rows of a piece, in their order, in batches of `ADMITTED_SCHEMA` and some thousand rows.

    Raises:
        DamagedArtifact: they are not what was admitted.
    """
    artifact = open_artifact(catalog.root / piece.path)
    if artifact is None or artifact.manifest.key != piece.key:
        raise DamagedArtifact(piece.path, "the piece is no longer there")
    with pq.ParquetFile(artifact.directory / ROWS_FILE) as file:
        for rows in file.iter_batches(_ROWS_AT_ONCE):
            yield _numbered(rows, piece.offset) if piece.offset else rows


def check_reject_rate(batch: Batch, admitted: Artifact, max_reject_rate: float) -> None:
    """See that a batch is good enough to publish predictions of it.

    Raises:
        InputError: more than that share of its rows was rejected, or all were.
    """
    counts = admitted.counts
    rate = counts["rejected"] / counts["rows_in"]
    if rate <= max_reject_rate and counts["admitted"]:
        return
    limit = f", more than {max_reject_rate:.1%}" if rate > max_reject_rate else ""
    mend = "mend the file, or allow more with --max-reject-rate" if limit else "mend the file"
    commonest = "; ".join(
        f"{reason} ({rows})" for reason, rows in list(counts["reasons"].items())[:3]
    )
    raise InputError(
        f"{counts['rejected']} of {counts['rows_in']} rows ({rate:.1%}) cannot be "
        f"used{limit}: {commonest}",
        str(batch.path),
        mend,
    )


def publish_rejects(catalog: Catalog, batch: Batch, admitted: Artifact) -> None:
    """Publish the rows of a batch that could not be used, if there are any."""
    target = catalog.rejected(batch.name)
    if not admitted.counts["rejected"]:
        remove(catalog, target, keep_superseded=True)
        return
    recipe = Recipe(
        "rejects",
        STAGES["admitted"].version,
        (batch.as_source(catalog, admitted.counts["rows_in"]),),
        admitted.manifest.config,
    )

    def write_part(draft: Path) -> dict[str, Any]:
        copy_file(admitted, REJECTS_FILE, draft / "part-00000.parquet")
        return {"rejected": admitted.counts["rejected"], "reasons": admitted.counts["reasons"]}

    publish(catalog, target, recipe, write_part, keep_superseded=True)


def copy_rejects(catalog: Catalog, batch: Batch, reading: ReadOptions, target: Path) -> None:
    """Copy the rejects of a batch that was read, if there are any, into a directory."""
    path = _admitted_directory(catalog, _admission(catalog, batch, reading)) / REJECTS_FILE
    if path.exists():
        shutil.copyfile(path, target / REJECTS_FILE)


def discard(
    catalog: Catalog, batch: Batch, reading: ReadOptions, pieces: Sequence[ChunkRef]
) -> None:
    """Remove what was admitted of a batch, when it is scored or will not be."""
    for piece in pieces:
        remove(catalog, catalog.root / piece.path)
    remove(catalog, _admitted_directory(catalog, _admission(catalog, batch, reading)))


def _read_groups(catalog: Catalog, batch: Batch, reading: ReadOptions) -> list[ReadJob]:
    """The files of a batch in stretches that are read by one worker each."""
    everything = ReadJob(
        root=str(catalog.root),
        place=catalog.relative(catalog.pieces / "admitted"),
        batch=batch.name,
        stretch=None,
        paths=tuple(catalog.relative(path) for path in batch.files),
        digests=batch.digests,
        reading=reading,
        piece_rows=CHUNK_ROWS,
        piece_signs=CHUNK_CHARS,
    )
    ends, size = [0], 0
    for number, path in enumerate(batch.files, 1):
        with contextlib.suppress(OSError):  # whoever reads it says so
            size += path.stat().st_size
        if size >= READ_GROUP_BYTES or number == len(batch.files):
            ends.append(number)
            size = 0
    if len(ends) == 2:
        return [everything]
    return [
        replace(
            everything,
            stretch=number,
            paths=everything.paths[start:end],
            digests=everything.digests[start:end],
        )
        for number, (start, end) in enumerate(itertools.pairwise(ends))
    ]


def _merge_groups(
    catalog: Catalog,
    batch: Batch,
    stretches: Sequence[ReadJob],
    draft: Path,
    on_piece: Callable[[ChunkRef], None],
) -> dict[str, Any]:
    """What workers read of all stretches, as `read_files` gives it of one; rows numbered through.

    Raises:
        InputError: as `read_files` does.
    """
    here = all(path.is_relative_to(catalog.root) for path in batch.files)
    pool = (executors.executor if here else executors.local_executor)(len(stretches))
    rows_in = cut = 0
    pieces: list[ChunkRef] = []
    with RejectWriter(draft / REJECTS_FILE) as rejects:
        done = executors.bounded_map(pool, read_group, stretches, executors.max_in_flight())
        for number, stretch in enumerate(map(wait_until_visible, done), 1):
            for piece in chunk_refs(stretch):
                share = number / len(stretches)
                pieces.append(replace(piece, number=len(pieces), offset=rows_in, read=share))
                on_piece(pieces[-1])
            if stretch.counts["rejected"]:
                have_here(stretch.directory)
                for reject in read_rejects(stretch.directory / REJECTS_FILE):
                    rejects.add(reject._replace(row=rows_in + reject.row))
            rows_in += stretch.counts["rows_in"]
            cut += stretch.counts["cut"]
    return {
        "rows_in": rows_in,
        "admitted": rows_in - rejects.count,
        "cut": cut,
        "rejected": rejects.count,
        "reasons": dict(rejects.reasons.most_common()),
        "pieces": [asdict(piece) for piece in pieces],
    }


def _numbered(rows: pa.RecordBatch, offset: int) -> pa.RecordBatch:
    field = CHUNK_SCHEMA.field("row")
    return rows.set_column(0, field, pc.add(rows.column("row"), offset))


def _without_rows(batch: Batch) -> InputError:
    return InputError("the files have no rows", str(batch.path), "upload them again")


def _admission(catalog: Catalog, batch: Batch, reading: ReadOptions) -> Recipe:
    return Recipe(
        "admitted",
        STAGES["admitted"].version,
        (batch.as_source(catalog),),
        {"batch": batch.name, "reading": asdict(reading), "piece": [CHUNK_ROWS, CHUNK_CHARS]},
    )


def _admitted_directory(catalog: Catalog, admission: Recipe) -> Path:
    return catalog.pieces / "admitted" / admission.key[:16]
