"""Opens ingested corpora and reads their columns."""

import pandas as pd
import pyarrow as pa

from headlines.corpus import inews
from headlines.corpus.ingest import ingest
from headlines.corpus.source_files import CorpusFiles
from headlines.corpus.with_labels import add_labels, base_of, require_labels
from headlines.corpus.write_files import TRAINING_SCHEMA
from headlines.errors import DamagedArtifact, InputError
from headlines.readers import ReadOptions
from headlines.readers.read_options import OPTIONAL
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot


def check_exists(root: DataRoot, name: str) -> None:
    """Check that a corpus exists or can be built.

    Raises:
        InputError: it was never ingested, or there are no labels to add to it.
    """
    if (base := base_of(name)) is not None:
        require_labels(root)
        name = base
    try:
        exists = name == inews.NAME or root.store.manifest(root.corpus(name)) is not None
    except DamagedArtifact:  # `ensure` rebuilds it from its source
        return
    if not exists:
        raise InputError(
            f"there is no corpus {name!r}",
            root.location("corpus"),
            f"create it with `headlines ingest SOURCE --name {name}`",
        )


def ensure(root: DataRoot, name: str) -> Artifact:
    """Open a corpus.

    The iNews corpus is ingested if it is missing. The labels of reviews are added to a corpus such
    as `inews+labels`. A damaged corpus is quarantined with a warning
    and rebuilt from its source.

    Raises:
        InputError: the corpus was never ingested, or its source is gone.
    """
    if (base := base_of(name)) is not None:
        return add_labels(root, name, ensure(root, base))
    target = root.corpus(name)
    try:
        artifact = root.store.open(target)
    except DamagedArtifact as damage:
        source, options = _origin(root, name)
        CorpusFiles.resolve(source, options).preflight(root.store.work)
        root.store.quarantine(target, damage.reason)
        return ingest(root, name, source, options, max_reject_rate=1)  # it was accepted before
    if artifact is not None:
        return artifact
    check_exists(root, name)
    return ingest(root, name, inews.NAME)


def _origin(root: DataRoot, name: str) -> tuple[str, ReadOptions]:
    """Source of a damaged corpus, and how it was read, from its manifest."""
    if name == inews.NAME:
        return inews.NAME, ReadOptions()
    try:
        manifest = root.store.manifest(root.corpus(name))
        assert manifest is not None
        config = manifest.config
        options = {name: config[name] for name in ("encoding", *OPTIONAL) if name in config}
        return manifest.counts["source"], ReadOptions(**options)
    except (DamagedArtifact, KeyError) as error:
        raise InputError(
            f"the corpus is damaged and does not say what it was made from ({error})",
            root.location(root.corpus(name)),
            f"create it again with `headlines ingest SOURCE --name {name}`",
        ) from error


def read_corpus(artifact: Artifact, columns: list[str]) -> pd.DataFrame:
    """Columns of a corpus (`split` is one of them), in the order of `row`.

    Those that only some corpora have, the `TRAINING_COLUMNS`, are null in the others.
    """
    import pyarrow.dataset as ds

    dataset = ds.dataset(
        [str(path) for path in artifact.files(".parquet")],
        schema=TRAINING_SCHEMA.append(pa.field("split", pa.string())),
        partitioning=ds.partitioning(pa.schema([("split", pa.string())]), flavor="hive"),
        partition_base_dir=str(artifact.directory),
    )
    names = list(dict.fromkeys([*columns, "row"]))
    frame: pd.DataFrame = dataset.to_table(columns=names).to_pandas()
    return frame.sort_values("row", ignore_index=True)[columns]
