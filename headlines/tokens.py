"""The token cache: the words of every headline of a corpus."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines import runner
from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.manifest import Recipe
from headlines.segmentation import fingerprint, segment
from headlines.settings import Settings
from headlines.stages import STAGES

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
    ]
)
_CHUNK_ROWS = 4_000


def segment_corpus(catalog: Catalog, corpus: Artifact) -> Artifact:
    """Segment every headline of a corpus, or reuse the tokens that are there.

    The tokens lie in files of the same names and orders of rows as the corpus's own.
    """
    recipe = Recipe(
        "tokens",
        STAGES["tokens"].version,
        (corpus.as_source(catalog),),
        {"segmenter": fingerprint()},
    )

    def write_tokens(draft: Path) -> dict[str, Any]:
        tokens = 0
        pool = runner.executor(-(-corpus.rows // _CHUNK_ROWS))
        window = 2 * Settings.from_environment().workers
        for path in corpus.files(".parquet"):
            target = draft / path.relative_to(corpus.directory)
            target.parent.mkdir(exist_ok=True)
            with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
                for table in runner.windowed(pool, _segmented, _chunks(path), window):
                    writer.write_table(table)
                    tokens += len(table.column("tokens").combine_chunks().flatten())
        return {"segmented": corpus.rows, "tokens": tokens}

    return publish(catalog, catalog.tokens(recipe.key), recipe, write_tokens)


def read_tokens(artifact: Artifact, split: str) -> pd.DataFrame:
    """`row`, `record_id` and `tokens` (a list of words) of one split, in the order of `row`."""
    tables = [
        pq.read_table(path, schema=SCHEMA, partitioning=None)
        for path in artifact.files(".parquet")
        if path.parent.name == f"split={split}"
    ]
    frame: pd.DataFrame = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pandas()
    return frame.sort_values("row", ignore_index=True)


def _chunks(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_CHUNK_ROWS, columns=["row", "record_id", "title"])


def _segmented(batch: pa.RecordBatch) -> pa.Table:
    columns = {
        "row": batch.column("row"),
        "record_id": batch.column("record_id"),
        "tokens": segment(batch.column("title").to_pylist()),
    }
    return pa.table(columns, schema=SCHEMA)
