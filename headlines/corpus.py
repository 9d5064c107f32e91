"""Ingests a labelled corpus: checked, flagged, typed, and partitioned by split."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines import inews
from headlines.artifact import (
    Artifact,
    find,
    open_artifact,
    publish,
    read_manifest,
    remove,
    set_aside,
)
from headlines.catalog import Catalog, checked_name
from headlines.corpus_files import SPLITS, CorpusFiles, read_rows
from headlines.errors import DamagedArtifact, InputError
from headlines.labels import LABELS
from headlines.manifest import Recipe, Source, file_digest
from headlines.rejects import Reject, by_reason, write_rejects
from headlines.stages import STAGES

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
_PART_ROWS = 100_000


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
    require_own_name(name, source)
    recipe = Recipe(
        "corpus",
        STAGES["corpus"].version,
        tuple(Source(str(path.absolute()), file_digest(path)) for path in files.paths),
        {
            "name": checked_name(name, "corpus name"),
            "encoding": files.encoding,
            "files": [path.name for path in files.paths],  # the column `source`
        },
    )
    target, rejects_target = catalog.corpus(name), catalog.rejected(f"corpus:{name}")
    existing = find(catalog, target, recipe.key)
    if existing and (not existing.counts["rejected"] or find(catalog, rejects_target, recipe.key)):
        return existing
    rows, rejects = read_rows(files)
    if not rows:
        raise InputError(
            f"none of its {len(rejects)} rows can be used "
            f"(most often: {next(iter(by_reason(rejects)), 'it has none')})",
            source,
            "mend the file",
        )
    frame = _flagged(pd.DataFrame(rows))

    def write_corpus(draft: Path) -> dict[str, Any]:
        for split, part in frame.groupby("split", sort=True):
            folder = draft / f"split={split}"
            folder.mkdir()
            for number, start in enumerate(range(0, len(part), _PART_ROWS)):
                piece = part.iloc[start : start + _PART_ROWS]
                table = pa.Table.from_pandas(piece, schema=SCHEMA, preserve_index=False)
                pq.write_table(table, folder / f"part-{number:05d}.parquet", compression="zstd")
        # The files may have been replaced while they were read.
        if [source.sha256 for source in recipe.sources] != [file_digest(p) for p in files.paths]:
            raise InputError("a file changed while it was read", source, "ingest it again")
        origin = source if files.of_inews else str(Path(source).absolute())
        return {"source": origin, **_counts(frame, rejects)}

    def write_corpus_rejects(draft: Path) -> dict[str, Any]:
        write_rejects(draft / "part-00000.parquet", rejects)
        return {"rejected": len(rejects), "reasons": by_reason(rejects)}

    # The rejects first: a corpus that is there has its rejects there too.
    if rejects:
        publish(catalog, rejects_target, recipe, write_corpus_rejects)
    else:
        remove(catalog, rejects_target)
    return publish(catalog, target, recipe, write_corpus)


def require_own_name(name: str, source: str) -> None:
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


def require(catalog: Catalog, name: str) -> None:
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
        set_aside(catalog, target, damage.reason)
        return ingest(catalog, name, source, encoding)
    if artifact is not None:
        return artifact
    require(catalog, name)
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


def _flagged(frame: pd.DataFrame) -> pd.DataFrame:
    frame["label"] = frame["label"].astype("Int8")
    frame["duplicate"] = frame.duplicated(["split", "record_id"])
    frame["label_conflict"] = frame.groupby("record_id")["label"].transform("nunique") > 1
    training = frame["split"] == "train"
    in_training = frame["record_id"].isin(frame.loc[training, "record_id"])
    held_out = frame["record_id"].isin(frame.loc[~training, "record_id"])
    frame["leaked"] = held_out.where(training, in_training)
    return frame


def _counts(frame: pd.DataFrame, rejects: list[Reject]) -> dict[str, Any]:
    training_titles = set(frame.loc[frame["split"] == "train", "title"])
    splits: dict[str, Any] = {}
    for split in SPLITS:
        part = frame[frame["split"] == split]
        labels = Counter(part["label"].dropna().tolist())
        splits[split] = {
            "rows": len(part),
            "labels": {name: labels[label] for label, name in enumerate(LABELS)},
            "unlabelled": int(part["label"].isna().sum()),
            "duplicates": int(part["duplicate"].sum()),
            "label_conflicts": int(part["label_conflict"].sum()),
            "leaked": int(part["leaked"].sum()),
            "titles_also_in_train": (
                0 if split == "train" else len(set(part["title"]) & training_titles)
            ),
        }
    return {
        "rows_in": len(frame) + len(rejects),
        "rows": len(frame),
        "rejected": len(rejects),
        "reasons": by_reason(rejects),
        "splits": splits,
    }
