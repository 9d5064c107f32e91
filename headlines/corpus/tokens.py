"""Segments a corpus: the words of every headline, in the same parts and order as the corpus."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.corpus.token_cache import (
    ChunkSizes,
    is_chunk_boundary,
    read_token_lists,
    tokens_for,
)
from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.readers.titles import half_width
from headlines.segmentation import Segmenter, compatible, describe
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
    ]
)
_READ_ROWS = 4_000  # read from the corpus at once, and enough for each worker
_PART_FILE = "words.parquet"  # in the artifact of a part


@dataclass(frozen=True)
class SegmentJob:
    """One part of a corpus to segment, as small plain data for another process.

    Attributes:
        root: the data root.
        corpus: name of the corpus's artifact.
        name: of the part in the corpus.
        sha256: its digest.
        rows: how many it has.
        segmenter: cuts its headlines.
        sizes: of the chunks in the token cache.
    """

    root: DataRoot
    corpus: str
    name: str
    sha256: str
    rows: int
    segmenter: Segmenter
    sizes: ChunkSizes

    @property
    def recipe(self) -> Recipe:
        """Everything that decides its words."""
        return Recipe(
            "words of a part",
            STAGES["tokens"].version,
            (Input(f"{self.corpus}/{self.name}", self.sha256, self.rows),),
            {"segmenter": self.segmenter.fingerprint()},
        )


@dataclass(frozen=True)
class _Chunk:
    """Headlines whose words are cached together."""

    row: list[int]
    record_id: list[str]
    title: list[str]


def segment_corpus(
    root: DataRoot,
    corpus: Artifact,
    sizes: ChunkSizes = ChunkSizes(),  # immutable  # noqa: B008
) -> Artifact:
    """Segment the headlines of a corpus part by part, or reuse its words.

    Words of headlines from other corpora, or from an earlier version of this one, come from the
    token cache. The counts say how many headlines were `segmented` and how many `reused`.
    """
    segmenter = Segmenter.from_settings(root.settings)
    recipe = Recipe(
        "tokens",
        STAGES["tokens"].version,
        (corpus.as_source(),),
        {"segmenter": segmenter.fingerprint()},
    )
    jobs = _segment_jobs(root, corpus, segmenter, sizes)
    parts: list[Artifact] = []

    def write_tokens(draft: Path) -> dict[str, Any]:
        counts = {"segmented": 0, "reused": 0, "tokens": 0}
        calls = min(len(jobs), -(-corpus.rows // _READ_ROWS))
        pool = executors.executor(calls, root.settings)
        window = executors.max_in_flight(root.settings)
        results = executors.bounded_map(pool, segment_part, jobs, window)
        for job, part in zip(jobs, results, strict=True):
            target = draft / job.name
            target.parent.mkdir(exist_ok=True)
            root.store.link_file(wait_until_visible(root, part), _PART_FILE, target)
            counts = {name: counts[name] + part.counts[name] for name in counts}
            parts.append(part)
        return counts

    # One segmentation of a recipe at a time: a second one would remove the first one's parts.
    with root.store.lock(f"segmenting-{recipe.key[:16]}"):
        tokens = root.store.publish(root.tokens(recipe.key), recipe, write_tokens)
        for part in parts:
            root.store.remove(part.name)
    return tokens


def segment_part(job: SegmentJob) -> Artifact:
    """Segment one part of a corpus; runs in a worker.

    Raises:
        DamagedArtifact: the part changed since the corpus was opened.
    """

    def write_words(draft: Path) -> dict[str, Any]:
        corpus = job.root.store.open(job.corpus, [job.name])
        if corpus is None or file_sha256(corpus.directory / job.name) != job.sha256:
            raise DamagedArtifact(job.root.location(job.corpus), f"{job.name} has changed")
        counts = {"segmented": 0, "reused": 0, "tokens": 0}
        with pq.ParquetWriter(draft / _PART_FILE, SCHEMA, compression="zstd") as writer:
            for chunk in _chunks(corpus.directory / job.name, job.sizes):
                table, reused = _segment_chunk(job.root, job.segmenter, chunk)
                writer.write_table(table)
                counts["reused" if reused else "segmented"] += len(table)
                counts["tokens"] += len(table.column("tokens").combine_chunks().flatten())
        return counts

    recipe = job.recipe
    return job.root.store.publish(job.root.chunk(recipe.key), recipe, write_words)


def require_segmenter(tokens: Artifact, segmenter: Segmenter) -> Segmenter:
    """The segmenter, which must give the same words as `tokens`.

    Raises:
        InputError: it does not.
    """
    recorded = tokens.manifest.config["segmenter"]
    if not compatible(segmenter.fingerprint(), recorded):
        raise InputError(
            f"the words were cut by a different segmenter ({describe(recorded)}; now "
            f"{describe(segmenter.fingerprint())})",
            tokens.location,
            "restore HEADLINES_ENGINE and HEADLINES_DICTIONARY, or run `headlines segment` again",
        )
    return segmenter


def read_tokens(artifact: Artifact, split: str) -> pd.DataFrame:
    """`row`, `record_id` and `tokens` (a list of words) of one split, in the order of `row`."""
    tables = [
        pq.read_table(path, schema=SCHEMA, partitioning=None)
        for path in artifact.files(".parquet")
        if path.parent.name == f"split={split}"
    ]
    frame: pd.DataFrame = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pandas()
    return frame.sort_values("row", ignore_index=True)


def _segment_jobs(
    root: DataRoot, corpus: Artifact, segmenter: Segmenter, sizes: ChunkSizes
) -> list[SegmentJob]:
    return [
        SegmentJob(
            root=root,
            corpus=corpus.name,
            name=file.path,
            sha256=file.sha256,
            rows=file.rows or 0,
            segmenter=segmenter,
            sizes=sizes,
        )
        for file in corpus.manifest.files
        if file.path.endswith(".parquet")
    ]


def _chunks(path: Path, sizes: ChunkSizes) -> Iterator[_Chunk]:
    chunk = _Chunk([], [], [])
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_READ_ROWS, columns=["row", "record_id", "title"]):
            columns = (batch.column(name).to_pylist() for name in ("row", "record_id", "title"))
            for row, record_id, title in zip(*columns, strict=True):
                chunk.row.append(row)
                chunk.record_id.append(record_id)
                chunk.title.append(title)
                if is_chunk_boundary(title, len(chunk.title), sizes):
                    yield chunk
                    chunk = _Chunk([], [], [])
    if chunk.title:
        yield chunk


def _segment_chunk(root: DataRoot, segmenter: Segmenter, chunk: _Chunk) -> tuple[pa.Table, bool]:
    """The words of a chunk, and whether they come from the cache."""
    titles = [half_width(title) for title in chunk.title]
    cached = tokens_for(root, segmenter, titles)
    try:
        tokens = read_token_lists(cached)
    except FileNotFoundError:  # the cache was pruned at this moment
        tokens = pa.chunked_array([segmenter.cut(titles)], type=SCHEMA.field("tokens").type)
    columns = {"row": chunk.row, "record_id": chunk.record_id, "tokens": tokens}
    return pa.table(columns, schema=SCHEMA), cached.reused
