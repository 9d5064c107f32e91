"""The words of every headline of a corpus, in the corpus's own files and order."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines import runner
from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.manifest import Recipe
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.stages import STAGES
from headlines.token_cache import ends_chunk, read_words, words_of

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
    ]
)
_READ_ROWS = 4_000  # read from the corpus at once


@dataclass(frozen=True)
class _Chunk:
    """Headlines whose words the cache keeps together."""

    row: list[int]
    record_id: list[str]
    title: list[str]


def segment_corpus(catalog: Catalog, corpus: Artifact) -> Artifact:
    """Segment the headlines of a corpus, or reuse the words that are there.

    Headlines that another corpus, or an earlier state of this one, had too are found in the token
    cache. The counts say how many were `segmented` and how many `reused`.
    """
    segmenter = Segmenter.from_environment()
    recipe = Recipe(
        "tokens",
        STAGES["tokens"].version,
        (corpus.as_source(catalog),),
        {"segmenter": segmenter.fingerprint()},
    )

    def write_tokens(draft: Path) -> dict[str, Any]:
        counts = {"segmented": 0, "reused": 0, "tokens": 0}
        pool = runner.executor(-(-corpus.rows // _READ_ROWS))
        window = 2 * Settings.from_environment().workers
        cut = partial(_segmented, catalog, segmenter)
        for path in corpus.files(".parquet"):
            target = draft / path.relative_to(corpus.directory)
            target.parent.mkdir(exist_ok=True)
            with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
                for table, reused in runner.windowed(pool, cut, _chunks(path), window):
                    writer.write_table(table)
                    counts["reused" if reused else "segmented"] += len(table)
                    counts["tokens"] += len(table.column("tokens").combine_chunks().flatten())
        return counts

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


def _chunks(path: Path) -> Iterator[_Chunk]:
    chunk = _Chunk([], [], [])
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_READ_ROWS, columns=["row", "record_id", "title"]):
            columns = (batch.column(name).to_pylist() for name in ("row", "record_id", "title"))
            for row, record_id, title in zip(*columns, strict=True):
                chunk.row.append(row)
                chunk.record_id.append(record_id)
                chunk.title.append(title)
                if ends_chunk(title, len(chunk.title)):
                    yield chunk
                    chunk = _Chunk([], [], [])
    if chunk.title:
        yield chunk


def _segmented(catalog: Catalog, segmenter: Segmenter, chunk: _Chunk) -> tuple[pa.Table, bool]:
    words = words_of(catalog, segmenter, chunk.title)
    try:
        tokens = read_words(words)
    except FileNotFoundError:  # the cache was pruned this moment
        tokens = pa.chunked_array([segmenter.cut(chunk.title)], type=SCHEMA.field("tokens").type)
    columns = {"row": chunk.row, "record_id": chunk.record_id, "tokens": tokens}
    return pa.table(columns, schema=SCHEMA), words.reused
