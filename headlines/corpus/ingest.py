"""Ingests a labelled corpus: checked, flagged, typed, and partitioned by split.

Workers read its files into pieces; what stands elsewhere of each row's text is told from digests
of all rows; workers write the files of the corpus from the pieces, with the flags. So no process
holds more of the rows themselves than a piece or a row group. No byte depends on the runner.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.corpus import inews
from headlines.corpus.flags import counts_by_split, flags_of, row_keys
from headlines.corpus.read_files import PIECE_ROWS, ReadJob, read_file, rejects_of
from headlines.corpus.source_rows import CorpusFiles
from headlines.corpus.write_files import ROWS, SCHEMA, parts_of, write_part
from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.readers.rejects import RejectWriter
from headlines.storage.artifact import (
    Artifact,
    copy_file,
    find_valid,
    open_artifact,
    publish,
    quarantine,
    read_manifest,
    remove,
)
from headlines.storage.atomic import file_lock
from headlines.storage.layout import Catalog, validate_name
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

_PART_ROWS = 100_000
# With less of it for each of them, workers take longer to start than they save.
_READ_BYTES = 32 << 20
_WRITE_ROWS = 20_000


def ingest(catalog: Catalog, name: str, source: str, encoding: str = "utf-8") -> Artifact:
    """Make the corpus `name` from a source, or reuse it where the source is unchanged.

    Rows that cannot be used go to `rejects/batch=corpus:<name>/`. Three flags mark the others:
    `duplicate` (its normalised text stands earlier in the same split), `label_conflict` (the
    text also stands with another label) and `leaked` (a training row whose text is in dev or
    test; a dev or test row whose text is in train).

    Args:
        catalog: the data root.
        name: of the corpus below `corpus/`.
        source: `inews` for the packaged corpus; else a file or folder of CSV, TSV, JSONL or
            Parquet with `title` and optional `content`, `label` (0-2) and `split`. Rows without
            a split are spread 8:1:1 by their record id.
        encoding: of text files.

    Raises:
        InputError: the source cannot be read, or none of its rows can be used.
    """
    files = CorpusFiles.named(source, encoding)
    files.preflight()
    check_reserved_name(name, source)
    recipe = Recipe(
        "corpus",
        STAGES["corpus"].version,
        tuple(Input(str(path.absolute()), file_sha256(path)) for path in files.paths),
        {
            "name": validate_name(name, "corpus name"),
            "encoding": files.encoding,
            "files": [path.name for path in files.paths],  # the column `source`
        },
    )
    if existing := _ingested(catalog, name, recipe):
        return existing
    # One ingest of a recipe at a time: another one would take its pieces away.
    with file_lock(catalog, f"ingesting-{recipe.key[:16]}"):
        if existing := _ingested(catalog, name, recipe):
            return existing
        origin = source if files.of_inews else str(Path(source).absolute())
        return _made(catalog, name, recipe, files, origin)


def _ingested(catalog: Catalog, name: str, recipe: Recipe) -> Artifact | None:
    """The corpus, where it and its rejects are there."""
    existing = find_valid(catalog, catalog.corpus(name), recipe.key)
    if existing is None or not existing.counts["rejected"]:
        return existing
    return existing if find_valid(catalog, catalog.rejected(f"corpus:{name}"), recipe.key) else None


def _made(catalog: Catalog, name: str, recipe: Recipe, files: CorpusFiles, origin: str) -> Artifact:
    read = _read(catalog, recipe, files)
    marks = row_keys(read)
    if not len(marks):
        reasons = _reasons(read)
        _remove_all(catalog, read)
        raise InputError(
            f"none of its {sum(reasons.values())} rows can be used "
            f"(most often: {next(iter(reasons), 'it has none')})",
            origin,
            "mend the file",
        )
    flags = flags_of(marks)
    parts = list(parts_of(catalog, recipe.key, read, marks, flags, _PART_ROWS))
    written: list[Artifact] = []

    def write_corpus(draft: Path) -> dict[str, Any]:
        pool = executors.executor(min(len(parts), -(-len(marks) // _WRITE_ROWS)))
        done = executors.bounded_map(pool, write_part, parts, executors.max_in_flight())
        for part, rows in zip(parts, done, strict=True):
            target = draft / part.name
            target.parent.mkdir(exist_ok=True)
            copy_file(wait_until_visible(rows), ROWS, target)
            written.append(rows)
        reasons = _reasons(read)
        return {
            "source": origin,
            "rows_in": sum(one.counts["rows_in"] for one in read),
            "rows": len(marks),
            "rejected": sum(reasons.values()),
            "reasons": reasons,
            "splits": counts_by_split(marks, flags),
        }

    # The rejects first: a corpus that is there has its rejects there too.
    _publish_rejects(catalog, name, recipe, read)
    corpus = publish(catalog, catalog.corpus(name), recipe, write_corpus)
    _remove_all(catalog, [*written, *read])
    return corpus


def _read(catalog: Catalog, recipe: Recipe, files: CorpusFiles) -> list[Artifact]:
    """What workers read of each source, in their order."""
    to_read = [
        ReadJob(
            root=str(catalog.root),
            place=catalog.relative(catalog.pieces / "chunks"),
            corpus=recipe.key,
            path=source.path,
            sha256=source.sha256,
            encoding=files.encoding,
            of_inews=files.of_inews,
            piece_rows=PIECE_ROWS,
        )
        for source in recipe.sources
    ]
    size = sum(path.stat().st_size for path in files.paths)
    # Other machines may not have the sources.
    pool = executors.local_executor(min(len(to_read), -(-size // _READ_BYTES)))
    return [
        wait_until_visible(one)
        for one in executors.bounded_map(pool, read_file, to_read, executors.max_in_flight())
    ]


def _publish_rejects(catalog: Catalog, name: str, recipe: Recipe, read: Sequence[Artifact]) -> None:
    target = catalog.rejected(f"corpus:{name}")
    if not any(one.counts["rejected"] for one in read):
        remove(catalog, target)
        return

    def write_rejects(draft: Path) -> dict[str, Any]:
        rows_before = 0
        with RejectWriter(draft / "part-00000.parquet") as writer:
            for one in read:
                for reject in rejects_of(one):
                    writer.add(reject._replace(row=rows_before + reject.row))
                rows_before += one.counts["rows_in"]
        return {"rejected": writer.count, "reasons": dict(writer.reasons.most_common())}

    publish(catalog, target, recipe, write_rejects)


def _reasons(read: Sequence[Artifact]) -> dict[str, int]:
    """How many rows each reason took, the commonest first."""
    reasons: Counter[str] = Counter()
    for one in read:
        reasons.update(one.counts["reasons"])
    return dict(reasons.most_common())


def _remove_all(catalog: Catalog, pieces: Sequence[Artifact]) -> None:
    for piece in pieces:
        remove(catalog, piece.directory)


def check_reserved_name(name: str, source: str) -> None:
    """See that only the packaged corpus is called by its name: it is remade from the package.

    Raises:
        InputError: another source would take the name.
    """
    if name == inews.NAME and source != inews.NAME:
        raise InputError(
            f"the name {name!r} is kept for the packaged corpus",
            source,
            "choose another with --name",
        )


def check_exists(catalog: Catalog, name: str) -> None:
    """See that there is a corpus of that name, or that it can be made.

    Raises:
        InputError: it was never ingested.
    """
    if name != inews.NAME and not _is_there(catalog.corpus(name)):
        raise InputError(
            f"there is no corpus {name!r}",
            str(catalog.root / "corpus"),
            f"make it with `headlines ingest SOURCE --name {name}`",
        )


def _is_there(directory: Path) -> bool:
    try:
        return read_manifest(directory) is not None
    except DamagedArtifact:  # `ensure` makes it anew from its source
        return True


def ensure(catalog: Catalog, name: str) -> Artifact:
    """The corpus of that name as it was ingested.

    The iNews corpus is ingested where it is missing. A damaged corpus is set aside with a
    warning and made anew from its source.

    Raises:
        InputError: the corpus was never ingested, or its source is gone.
    """
    target = catalog.corpus(name)
    try:
        artifact = open_artifact(target)
    except DamagedArtifact as damage:
        source, encoding = _origin(target, name)
        CorpusFiles.named(source, encoding).preflight()
        quarantine(catalog, target, damage.reason)
        return ingest(catalog, name, source, encoding)
    if artifact is not None:
        return artifact
    check_exists(catalog, name)
    return ingest(catalog, name, inews.NAME)


def _origin(target: Path, name: str) -> tuple[str, str]:
    """Source and encoding of a corpus whose data is damaged, from its manifest."""
    if name == inews.NAME:
        return inews.NAME, "utf-8"
    try:
        manifest = read_manifest(target)
        assert manifest is not None
        return manifest.counts["source"], manifest.config["encoding"]
    except (DamagedArtifact, KeyError) as error:
        raise InputError(
            f"the corpus is damaged, and so is what it says of its source ({error})",
            str(target),
            f"make it anew with `headlines ingest SOURCE --name {name}`",
        ) from error


def read_corpus(artifact: Artifact, columns: list[str]) -> pd.DataFrame:
    """Columns of a corpus, `split` among them if named, in the order of `row`."""
    import pyarrow.dataset as ds

    dataset = ds.dataset(
        [str(path) for path in artifact.files(".parquet")],
        schema=SCHEMA.append(pa.field("split", pa.string())),
        partitioning=ds.partitioning(pa.schema([("split", pa.string())]), flavor="hive"),
        partition_base_dir=str(artifact.directory),
    )
    names = list(dict.fromkeys([*columns, "row"]))
    frame: pd.DataFrame = dataset.to_table(columns=names).to_pandas()
    return frame.sort_values("row", ignore_index=True)[columns]
