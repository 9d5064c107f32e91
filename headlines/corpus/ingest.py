"""Ingests a labelled corpus: checked, flagged, typed, and partitioned by split.

Workers read the source files into chunks; the flags are computed from digests of all rows; workers
write the parts of the corpus from the chunks and flags. No process holds more than a chunk or a row
group of rows, and the bytes do not depend on the runner.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.corpus import inews
from headlines.corpus.flags import compute_flags, counts_by_split, row_keys
from headlines.corpus.read_files import (
    ReadJob,
    has_training_columns,
    iter_rejects,
    read_file,
)
from headlines.corpus.soft_labels import TRAINING_COLUMNS
from headlines.corpus.source_files import CorpusFiles
from headlines.corpus.write_files import PART_FILE, write_jobs, write_part
from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import ReadOptions
from headlines.readers.read_options import READ_DEFAULTS
from headlines.readers.rejects import MAX_REJECT_RATE, MAX_REJECTS, RejectWriter, check_reject_limit
from headlines.readers.row_warnings import RowWarnings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import validate_name
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES


@dataclass(frozen=True)
class IngestSizes:
    """How an ingest is divided among workers.

    Attributes:
        chunk_rows: maximum rows of a chunk.
        part_rows: rows of a part of the corpus.
        worker_bytes: source bytes for each reading worker; with less, starting it does not pay.
        worker_rows: rows for each writing worker, likewise.
    """

    chunk_rows: int = 20_000
    part_rows: int = 100_000
    worker_bytes: int = 32 << 20
    worker_rows: int = 20_000


def ingest(
    root: DataRoot,
    name: str,
    source: str,
    options: ReadOptions = READ_DEFAULTS,
    sizes: IngestSizes = IngestSizes(),  # immutable
    max_reject_rate: float = MAX_REJECT_RATE,
    max_rejects: int = MAX_REJECTS,
) -> Artifact:
    """Build the corpus `name` from a source, or reuse it if the source is unchanged.

    Rows that cannot be used go to `rejects/batch=corpus:<name>/`. Three flags mark the others:
    `duplicate` (its normalised text occurs earlier in the same split), `label_conflict` (the text
    also occurs with another label) and `leaked` (a training row whose text is also in dev or test;
    a dev or test row whose text is also in train).

    Args:
        root: the data root.
        name: of the corpus below `corpus/`.
        source: `inews` for the packaged corpus; else a file or folder of CSV, TSV, JSONL or
            Parquet with `title` and optional `content`, `label` (0-2), `split`, a soft label
            (`p_positive`, `p_neutral` and `p_negative`) and `weight`. Rows without a split are
            assigned one by their record id, 8:1:1, or train if they have a soft label alone.
        options: how text files are read; the columns have fixed names.
        sizes: how the work is divided; only `part_rows` affects the result.
        max_reject_rate: a source with a larger share of unusable rows is refused,
        max_rejects: if there are more of them than this.

    Raises:
        InputError: the source cannot be read, too many rows cannot be used, or there are none.
    """
    files = CorpusFiles.resolve(source, options)
    columns = files.preflight(root.store.work)
    check_reserved_name(name, source)
    # Only in the key of corpora that have them: they were left out before.
    training_columns = sorted(columns.intersection(TRAINING_COLUMNS))
    recipe = Recipe(
        "corpus",
        STAGES["corpus"].version,
        tuple(Input(str(path.absolute()), file_sha256(path)) for path in files.paths),
        {
            "name": validate_name(name, "corpus name"),
            **files.reading(),
            "files": [path.name for path in files.paths],  # the column `source`
            **({"training_columns": training_columns} if training_columns else {}),
        },
    )
    if existing := _find_ingested(root, name, recipe):
        return existing
    # One ingest of a recipe at a time: a second one would remove the first one's chunks.
    with root.store.lock(f"ingesting-{recipe.key[:16]}"):
        if existing := _find_ingested(root, name, recipe):
            return existing
        origin = source if files.of_inews else str(Path(source).absolute())
        read = _read(root, recipe, files, sizes)
        try:
            _check_usable(read, origin, max_reject_rate, max_rejects)
        except InputError:
            _remove_all(root, read)
            raise
        return _build(root, name, recipe, read, files.left_out, origin, sizes)


def check_reserved_name(name: str, source: str) -> None:
    """Check that only the packaged corpus gets its name: it is rebuilt from the package.

    Raises:
        InputError: another source has the name.
    """
    if name == inews.NAME and source != inews.NAME:
        raise InputError(
            f"the name {name!r} is reserved for the packaged corpus",
            source,
            "choose another one with --name",
        )


def _find_ingested(root: DataRoot, name: str, recipe: Recipe) -> Artifact | None:
    """The corpus if it exists together with its rejects."""
    existing = root.store.find(root.corpus(name), recipe.key)
    if existing is None or not existing.counts["rejected"]:
        return existing
    return existing if root.store.find(root.rejects_of(f"corpus:{name}"), recipe.key) else None


def _build(
    root: DataRoot,
    name: str,
    recipe: Recipe,
    read: Sequence[Artifact],
    files_left_out: Sequence[str],
    origin: str,
    sizes: IngestSizes,
) -> Artifact:
    keys = row_keys(read)
    flags = compute_flags(keys)
    jobs = list(write_jobs(root, recipe.key, read, keys, flags, sizes.part_rows))
    parts: list[Artifact] = []

    def write_corpus(draft: Path) -> dict[str, Any]:
        calls = min(len(jobs), -(-len(keys) // sizes.worker_rows))
        pool = executors.executor(calls, root.settings)
        window = executors.max_in_flight(root.settings)
        results = executors.bounded_map(pool, write_part, jobs, window)
        for job, part in zip(jobs, results, strict=True):
            target = draft / job.name
            target.parent.mkdir(exist_ok=True)
            root.store.link_file(wait_until_visible(root, part), PART_FILE, target)
            parts.append(part)
        return {
            "source": origin,
            **_counts(read),
            "files_left_out": list(files_left_out),
            "columns_left_out": sorted({name for file in read for name in file.counts["columns"]}),
            "splits": {
                split: {**counts, **_teaching_by_split(read, split)}
                for split, counts in counts_by_split(keys, flags).items()
            },
        }

    # Rejects first: a corpus that exists must have its rejects.
    _publish_rejects(root, name, recipe, read)
    corpus = root.store.publish(root.corpus(name), recipe, write_corpus)
    _remove_all(root, [*parts, *read])
    return corpus


def _counts(read: Sequence[Artifact]) -> dict[str, Any]:
    """Numbers of rows of all sources together."""
    reasons: Counter[str] = Counter()
    warnings, rows_in = RowWarnings(), 0
    for file in read:
        reasons.update(file.counts["reasons"])
        warnings.add_all(file.counts["warnings"], rows_in)
        rows_in += file.counts["rows_in"]
    return {
        "rows_in": rows_in,
        "rows": sum(file.counts["rows"] for file in read),
        "rejected": reasons.total(),
        "reasons": dict(reasons.most_common()),
        "warnings": warnings.rows,
    }


def _teaching_by_split(read: Sequence[Artifact], split: str) -> dict[str, int]:
    """Rows of a split with a soft label, and with a weight; nothing if no row has either."""
    if not has_training_columns(read):
        return {}
    return {
        name: sum(file.counts[name].get(split, 0) for file in read)
        for name in ("soft_labels", "weights")
    }


def _check_usable(
    read: Sequence[Artifact], origin: str, max_reject_rate: float, max_rejects: int
) -> None:
    counts = _counts(read)
    if not counts["rows"]:
        reason = next(iter(counts["reasons"]), "it has none")
        raise InputError(
            f"none of its {counts['rows_in']} rows can be used (most often: {reason})",
            origin,
            "fix the file",
        )
    check_reject_limit(counts, origin, max_reject_rate, max_rejects)


def _read(root: DataRoot, recipe: Recipe, files: CorpusFiles, sizes: IngestSizes) -> list[Artifact]:
    """The results of `read_file` for the sources, in order."""
    jobs = [
        ReadJob(
            root=root,
            corpus=recipe.key,
            path=source.path,
            sha256=source.sha256,
            options=files.options,
            of_inews=files.of_inews,
            chunk_rows=sizes.chunk_rows,
        )
        for source in recipe.sources
    ]
    size = sum(path.stat().st_size for path in files.paths)
    # Local: other machines may not have the sources.
    calls = min(len(jobs), -(-size // sizes.worker_bytes))
    pool = executors.local_executor(calls, root.settings)
    window = executors.max_in_flight(root.settings)
    results = executors.bounded_map(pool, read_file, jobs, window)
    return [wait_until_visible(root, file) for file in results]


def _publish_rejects(root: DataRoot, name: str, recipe: Recipe, read: Sequence[Artifact]) -> None:
    target = root.rejects_of(f"corpus:{name}")
    if not any(file.counts["rejected"] for file in read):
        root.store.remove(target)
        return

    def write_rejects(draft: Path) -> dict[str, Any]:
        rows_before = 0
        with RejectWriter(draft / "part-00000.parquet") as writer:
            for file in read:
                for reject in iter_rejects(file):
                    writer.add(reject._replace(row=rows_before + reject.row))
                rows_before += file.counts["rows_in"]
        return {"rejected": writer.count, "reasons": dict(writer.reasons.most_common())}

    root.store.publish(target, recipe, write_rejects)


def _remove_all(root: DataRoot, artifacts: Sequence[Artifact]) -> None:
    for artifact in artifacts:
        root.store.remove(artifact.name)
