"""Prepares a batch: usable rows in chunks, the others as rejects, and a limit to the rejects.

Where a read group ends depends on the sizes of the files alone, so the chunks do not depend on who
reads them.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.errors import DamagedArtifact, InputError
from headlines.readers.rejects import RejectWriter, check_reject_limit, read_rejects
from headlines.readers.row_warnings import RowWarnings
from headlines.scoring.batch import Batch, errors_with_urls
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
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

OnChunk = Callable[[ChunkRef], None]


def prepare_batch(
    root: DataRoot, batch: Batch, options: ScoreOptions, on_chunk: OnChunk = lambda _: None
) -> Artifact:
    """Read a batch into chunks and rejects, and refuse one with too many rejects.

    Args:
        root: the data root.
        batch: the batch.
        options: how its files are read, and how many rejects are too many.
        on_chunk: called with each chunk when it is published, in order.

    Raises:
        InputError: a file cannot be read or changed while it was read, too many rows cannot be
            used, or there are none, but there were when the batch was scored before.
    """
    with errors_with_urls(root):
        prepared = read_batch(root, batch, options, on_chunk)
        _check_not_emptied(root, batch, prepared)
        check_rejects(batch, prepared, options)
        return prepared


def read_batch(
    root: DataRoot, batch: Batch, options: ScoreOptions, on_chunk: OnChunk = lambda _: None
) -> Artifact:
    """Read a batch into chunks and rejects, however many rejects there are.

    Raises:
        InputError: a file cannot be read or changed while it was read.
    """
    recipe = _recipe(root, batch, options)
    name = root.prepared(recipe.key)
    if (existing := find_reusable(root, name, recipe)) is not None:
        for chunk in chunk_refs(existing):
            on_chunk(chunk)
        return existing
    groups = _read_groups(root, batch, options)

    def write(draft: Path) -> dict[str, Any]:
        if len(groups) == 1:
            counts = read_files(groups[0], batch.files, draft, on_chunk)
        else:
            counts = _merge_groups(root, groups, draft, on_chunk)
        if counts["admitted"] and counts["absent"]:
            name = counts["absent"][0]
            raise InputError(
                f"no row has the key {name!r}",
                str(batch.path),
                f"check {options.read.required_columns[name]}, or remove the option",
            )
        return counts

    prepared = root.store.publish(name, recipe, write)
    if len(groups) > 1:
        for group in groups:
            root.store.remove(group.target)
    return prepared


def check_first_row(root: DataRoot, batch: Batch, options: ScoreOptions) -> None:
    """Read the first row of a batch, if it has any.

    Raises:
        InputError: a file before it cannot be read.
    """
    with errors_with_urls(root):
        next(iter_records(batch.files, options.read, root.store.work), None)


def check_rejects(batch: Batch, prepared: Artifact, options: ScoreOptions) -> None:
    """Refuse a batch with too many rejects.

    Raises:
        InputError: there are more than the options allow, or no row is left.
    """
    if prepared.counts["rows_in"]:
        location, rate, rows = str(batch.path), options.max_reject_rate, options.max_rejects
        check_reject_limit(prepared.counts, location, rate, rows)


def _check_not_emptied(root: DataRoot, batch: Batch, prepared: Artifact) -> None:
    """Keep the predictions of a batch whose file was truncated, perhaps, since it was scored."""
    if prepared.counts["rows_in"]:
        return
    with contextlib.suppress(DamagedArtifact):
        before = root.store.manifest(root.predictions_of(batch.name))
        if before is not None and before.counts["rows_in"]:
            raise InputError(
                f"it has no rows, but had {before.counts['rows_in']} when it was scored",
                str(batch.path),
                "upload it again",
            )


def publish_rejects(root: DataRoot, batch: Batch, prepared: Artifact) -> None:
    """Publish the rows of a batch that cannot be used, if there are any."""
    name = root.rejects_of(batch.name)
    if not prepared.counts["rejected"]:
        root.store.remove(name, keep_old=True)
        return
    recipe = Recipe(
        "rejects",
        STAGES["admitted"].version,
        (batch.as_source(root, prepared.counts["rows_in"]),),
        prepared.manifest.config,
    )

    def write_part(draft: Path) -> dict[str, Any]:
        root.store.link_file(prepared, REJECTS_FILE, draft / "part-00000.parquet")
        return {"rejected": prepared.counts["rejected"], "reasons": prepared.counts["reasons"]}

    root.store.publish(name, recipe, write_part, keep_old=True)


def copy_rejects(root: DataRoot, batch: Batch, options: ScoreOptions, target: Path) -> None:
    """Copy the rejects of a batch that was read, if there are any, into a directory."""
    key = _recipe(root, batch, options).key
    prepared = root.store.find(root.prepared(key), key)
    if prepared is not None and prepared.counts["rejected"]:
        root.store.link_file(prepared, REJECTS_FILE, target / REJECTS_FILE)


def remove_prepared(
    root: DataRoot, batch: Batch, options: ScoreOptions, chunks: Iterable[ChunkRef]
) -> None:
    """Remove what was read of a batch, when it is scored or will not be."""
    for chunk in chunks:
        root.store.remove(chunk.path)
    root.store.remove(root.prepared(_recipe(root, batch, options).key))


def _read_groups(root: DataRoot, batch: Batch, options: ScoreOptions) -> list[ReadJob]:
    """The files of a batch, in groups that are read by one worker each."""
    all_files = ReadJob(
        root=root,
        batch=batch.name,
        group=None,
        paths=tuple(root.store.name_of(path) for path in batch.files),
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
    root: DataRoot, groups: Sequence[ReadJob], draft: Path, on_chunk: OnChunk
) -> dict[str, Any]:
    """Read all groups by workers; counts as `read_files` gives them, rows numbered through.

    Raises:
        InputError: as `read_files` does.
    """
    is_shared = not any(path.startswith("/") for group in groups for path in group.paths)
    pool = (executors.executor if is_shared else executors.local_executor)(
        len(groups), root.settings
    )
    rows_in = cut = 0
    warnings = RowWarnings()
    absent = set(groups[0].options.required_columns)
    chunks: list[ChunkRef] = []
    with RejectWriter(draft / REJECTS_FILE) as rejects:
        window = executors.max_in_flight(root.settings)
        read = executors.bounded_map(pool, read_group, groups, window)
        for number, group in enumerate(read, 1):
            wait_until_visible(root, group)
            for chunk in chunk_refs(group):
                share = number / len(groups)
                chunks.append(replace(chunk, number=len(chunks), offset=rows_in, read=share))
                on_chunk(chunks[-1])
            if group.counts["rejected"]:
                for reject in read_rejects(root.store.file(group, REJECTS_FILE)):
                    rejects.add(reject._replace(row=rows_in + reject.row))
            warnings.add_all(group.counts["warnings"], rows_in)
            absent.intersection_update(group.counts["absent"])
            rows_in += group.counts["rows_in"]
            cut += group.counts["cut"]
    return {
        "rows_in": rows_in,
        "admitted": rows_in - rejects.count,
        "cut": cut,
        "rejected": rejects.count,
        "reasons": dict(rejects.reasons.most_common()),
        "warnings": warnings.rows,
        "absent": sorted(absent),
        "pieces": [chunk.to_dict() for chunk in chunks],
    }


def _recipe(root: DataRoot, batch: Batch, options: ScoreOptions) -> Recipe:
    return Recipe(
        "admitted",
        STAGES["admitted"].version,
        (batch.as_source(root),),
        {
            "batch": batch.name,
            "reading": options.read.to_config(),
            "piece": [options.sizes.rows, options.sizes.chars],
        },
    )
