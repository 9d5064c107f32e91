"""Prepares a batch: usable rows in chunks, the others as rejects, and a limit to the rejects.

Where a read group ends depends on the sizes of the files alone, so the chunks do not depend on who
reads them.
"""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.errors import InputError
from headlines.readers.rejects import RejectWriter, read_rejects
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import ChunkRef, chunk_refs
from headlines.scoring.options import ScoreOptions
from headlines.scoring.read_files import (
    REJECTS_FILE,
    ReadJob,
    find_reusable,
    read_files,
    read_group,
)
from headlines.scoring.rows import iter_records
from headlines.storage.artifact import Artifact, copy_file, have_here, publish, remove
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

OnChunk = Callable[[ChunkRef], None]


def prepare_batch(
    catalog: Catalog, batch: Batch, options: ScoreOptions, on_chunk: OnChunk = lambda _: None
) -> Artifact:
    """Read a batch into chunks and rejects, and refuse one with too many rejects.

    Args:
        catalog: the data root.
        batch: the batch.
        options: how its files are read, and how many rejects are too many.
        on_chunk: called with each chunk when it is published, in order.

    Raises:
        InputError: a file cannot be read or changed while it was read, there are no rows, or too
            many of them cannot be used.
    """
    prepared = read_batch(catalog, batch, options, on_chunk)
    check_reject_rate(batch, prepared, options.max_reject_rate)
    return prepared


def read_batch(
    catalog: Catalog, batch: Batch, options: ScoreOptions, on_chunk: OnChunk = lambda _: None
) -> Artifact:
    """Read a batch into chunks and rejects, however many rejects there are.

    Raises:
        InputError: a file cannot be read or changed while it was read, or there are no rows.
    """
    recipe = _recipe(catalog, batch, options)
    target = _directory(catalog, recipe)
    if (existing := find_reusable(catalog, target, recipe)) is not None:
        for chunk in chunk_refs(existing):
            on_chunk(chunk)
        return existing
    groups = _read_groups(catalog, batch, options)

    def write(draft: Path) -> dict[str, Any]:
        if len(groups) == 1:
            counts = read_files(groups[0], draft, on_chunk)
        else:
            counts = _merge_groups(catalog, batch, groups, draft, on_chunk)
        if not counts["rows_in"]:
            raise _no_rows_error(batch)
        return counts

    prepared = publish(catalog, target, recipe, write)
    if len(groups) > 1:
        for group in groups:
            remove(catalog, group.directory)
    return prepared


def check_first_row(batch: Batch, options: ScoreOptions) -> None:
    """Read the first row of a batch.

    Raises:
        InputError: a file before it cannot be read, or there are no rows.
    """
    records = iter_records(batch.files, options.read, is_only=len(batch.files) == 1)
    if next(records, None) is None:
        raise _no_rows_error(batch)


def check_reject_rate(batch: Batch, prepared: Artifact, max_reject_rate: float) -> None:
    """Refuse a batch with too many rejects.

    Raises:
        InputError: more than that share of its rows was rejected, or all were.
    """
    counts = prepared.counts
    rate = counts["rejected"] / counts["rows_in"]
    if rate <= max_reject_rate and counts["admitted"]:
        return
    limit = f", more than {max_reject_rate:.1%}" if rate > max_reject_rate else ""
    commonest = "; ".join(
        f"{reason} ({rows})" for reason, rows in list(counts["reasons"].items())[:3]
    )
    raise InputError(
        f"{counts['rejected']} of {counts['rows_in']} rows ({rate:.1%}) cannot be "
        f"used{limit}: {commonest}",
        str(batch.path),
        "fix the file, or allow more with --max-reject-rate" if limit else "fix the file",
    )


def publish_rejects(catalog: Catalog, batch: Batch, prepared: Artifact) -> None:
    """Publish the rows of a batch that cannot be used, if there are any."""
    target = catalog.rejected(batch.name)
    if not prepared.counts["rejected"]:
        remove(catalog, target, keep_superseded=True)
        return
    recipe = Recipe(
        "rejects",
        STAGES["admitted"].version,
        (batch.as_source(catalog, prepared.counts["rows_in"]),),
        prepared.manifest.config,
    )

    def write_part(draft: Path) -> dict[str, Any]:
        copy_file(prepared, REJECTS_FILE, draft / "part-00000.parquet")
        return {"rejected": prepared.counts["rejected"], "reasons": prepared.counts["reasons"]}

    publish(catalog, target, recipe, write_part, keep_superseded=True)


def copy_rejects(catalog: Catalog, batch: Batch, options: ScoreOptions, target: Path) -> None:
    """Copy the rejects of a batch that was read, if there are any, into a directory."""
    path = _directory(catalog, _recipe(catalog, batch, options)) / REJECTS_FILE
    if path.exists():
        shutil.copyfile(path, target / REJECTS_FILE)


def remove_prepared(
    catalog: Catalog, batch: Batch, options: ScoreOptions, chunks: Iterable[ChunkRef]
) -> None:
    """Remove what was read of a batch, when it is scored or will not be."""
    for chunk in chunks:
        remove(catalog, catalog.root / chunk.path)
    remove(catalog, _directory(catalog, _recipe(catalog, batch, options)))


def _read_groups(catalog: Catalog, batch: Batch, options: ScoreOptions) -> list[ReadJob]:
    """The files of a batch, in groups that are read by one worker each."""
    all_files = ReadJob(
        root=str(catalog.root),
        parent=catalog.relative(catalog.pieces / "admitted"),
        batch=batch.name,
        group=None,
        paths=tuple(catalog.relative(path) for path in batch.files),
        digests=batch.digests,
        options=options.read,
        sizes=options.sizes,
    )
    ends, size = [0], 0
    for number, path in enumerate(batch.files, 1):
        with contextlib.suppress(OSError):  # the reader reports it
            size += path.stat().st_size
        if size >= options.sizes.read_group_bytes or number == len(batch.files):
            ends.append(number)
            size = 0
    if len(ends) == 2:
        return [all_files]
    return [
        replace(
            all_files,
            group=number,
            paths=all_files.paths[start:end],
            digests=all_files.digests[start:end],
        )
        for number, (start, end) in enumerate(itertools.pairwise(ends))
    ]


def _merge_groups(
    catalog: Catalog, batch: Batch, groups: Sequence[ReadJob], draft: Path, on_chunk: OnChunk
) -> dict[str, Any]:
    """Read all groups by workers; counts as `read_files` gives them, rows numbered through.

    Raises:
        InputError: as `read_files` does.
    """
    is_shared = all(path.is_relative_to(catalog.root) for path in batch.files)
    pool = (executors.executor if is_shared else executors.local_executor)(len(groups))
    rows_in = cut = 0
    chunks: list[ChunkRef] = []
    with RejectWriter(draft / REJECTS_FILE) as rejects:
        read = executors.bounded_map(pool, read_group, groups, executors.max_in_flight())
        for number, group in enumerate(map(wait_until_visible, read), 1):
            for chunk in chunk_refs(group):
                share = number / len(groups)
                chunks.append(replace(chunk, number=len(chunks), offset=rows_in, read=share))
                on_chunk(chunks[-1])
            if group.counts["rejected"]:
                have_here(group.directory)
                for reject in read_rejects(group.directory / REJECTS_FILE):
                    rejects.add(reject._replace(row=rows_in + reject.row))
            rows_in += group.counts["rows_in"]
            cut += group.counts["cut"]
    return {
        "rows_in": rows_in,
        "admitted": rows_in - rejects.count,
        "cut": cut,
        "rejected": rejects.count,
        "reasons": dict(rejects.reasons.most_common()),
        "pieces": [chunk.to_dict() for chunk in chunks],
    }


def _no_rows_error(batch: Batch) -> InputError:
    return InputError("the files have no rows", str(batch.path), "upload them again")


def _recipe(catalog: Catalog, batch: Batch, options: ScoreOptions) -> Recipe:
    return Recipe(
        "admitted",
        STAGES["admitted"].version,
        (batch.as_source(catalog),),
        {
            "batch": batch.name,
            "reading": asdict(options.read),
            "piece": [options.sizes.rows, options.sizes.chars],
        },
    )


def _directory(catalog: Catalog, recipe: Recipe) -> Path:
    return catalog.pieces / "admitted" / recipe.key[:16]
