"""Opens ingested corpora and reads their columns."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from headlines.corpus import inews
from headlines.corpus.ingest import ingest
from headlines.corpus.source_files import CorpusFiles
from headlines.corpus.write_files import SCHEMA
from headlines.errors import DamagedArtifact, InputError
from headlines.storage.artifact import Artifact, open_artifact, quarantine, read_manifest
from headlines.storage.layout import Catalog


def check_exists(catalog: Catalog, name: str) -> None:
    """Check that a corpus exists or can be built.

    Raises:
        InputError: it was never ingested.
    """
    try:
        exists = name == inews.NAME or read_manifest(catalog.corpus(name)) is not None
    except DamagedArtifact:  # `ensure` rebuilds it from its source
        return
    if not exists:
        raise InputError(
            f"there is no corpus {name!r}",
            str(catalog.root / "corpus"),
            f"create it with `headlines ingest SOURCE --name {name}`",
        )


def ensure(catalog: Catalog, name: str) -> Artifact:
    """Open a corpus.

    The iNews corpus is ingested if it is missing. A damaged corpus is quarantined with a warning
    and rebuilt from its source.

    Raises:
        InputError: the corpus was never ingested, or its source is gone.
    """
    target = catalog.corpus(name)
    try:
        artifact = open_artifact(target)
    except DamagedArtifact as damage:
        source, encoding = _origin(target, name)
        CorpusFiles.resolve(source, encoding).preflight()
        quarantine(catalog, target, damage.reason)
        return ingest(catalog, name, source, encoding)
    if artifact is not None:
        return artifact
    check_exists(catalog, name)
    return ingest(catalog, name, inews.NAME)


def _origin(target: Path, name: str) -> tuple[str, str]:
    """Source and encoding of a damaged corpus, from its manifest."""
    if name == inews.NAME:
        return inews.NAME, "utf-8"
    try:
        manifest = read_manifest(target)
        assert manifest is not None
        return manifest.counts["source"], manifest.config["encoding"]
    except (DamagedArtifact, KeyError) as error:
        raise InputError(
            f"the corpus is damaged and does not say what it was made from ({error})",
            str(target),
            f"create it again with `headlines ingest SOURCE --name {name}`",
        ) from error


def read_corpus(artifact: Artifact, columns: list[str]) -> pd.DataFrame:
    """Columns of a corpus (`split` is one of them), in the order of `row`."""
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
