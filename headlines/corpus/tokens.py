"""The words of every headline of a corpus, in the corpus's own files and order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.corpus.token_cache import is_chunk_boundary, read_token_lists, tokens_for
from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.segmentation import Segmenter, compatible, describe
from headlines.storage.artifact import Artifact, copy_file, have_here, publish, remove
from headlines.storage.atomic import file_lock
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
    ]
)
_READ_ROWS = 4_000  # read from the corpus at once
_WORDS = "words.parquet"  # of the artifact of a part


@dataclass(frozen=True)
class SegmentJob:
    """One file of a corpus, to be segmented: small plain data for another process.

    Attributes:
        root: the data root.
        place: below it, of the words of parts until those of the whole corpus are published.
        corpus: directory of the corpus, relative to the data root.
        name: of the file in it.
        sha256: digest of the file.
        rows: how many it has.
        segmenter: what cuts its headlines.
    """

    root: str
    place: str
    corpus: str
    name: str
    sha256: str
    rows: int
    segmenter: Segmenter

    @property
    def recipe(self) -> Recipe:
        """All that decides its words."""
        return Recipe(
            "words of a part",
            STAGES["tokens"].version,
            (Input(f"{self.corpus}/{self.name}", self.sha256, self.rows),),
            {"segmenter": self.segmenter.fingerprint()},
        )

    @property
    def directory(self) -> Path:
        """Where its words lie until those of the whole corpus are published."""
        return Path(self.root) / self.place / self.recipe.key[:16]


@dataclass(frozen=True)
class _Chunk:
    """Headlines whose words the cache keeps together."""

    row: list[int]
    record_id: list[str]
    title: list[str]


def segment_corpus(catalog: Catalog, corpus: Artifact) -> Artifact:
    """Segment the headlines of a corpus, file by file, or reuse the words that are there.

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
    parts = _parts_of(catalog, corpus, segmenter)
    made: list[Artifact] = []

    def write_tokens(draft: Path) -> dict[str, Any]:
        counts = {"segmented": 0, "reused": 0, "tokens": 0}
        pool = executors.executor(min(len(parts), -(-corpus.rows // _READ_ROWS)))
        done = executors.bounded_map(pool, segment_part, parts, executors.max_in_flight())
        for part, words in zip(parts, done, strict=True):
            target = draft / part.name
            target.parent.mkdir(exist_ok=True)
            copy_file(wait_until_visible(words), _WORDS, target)
            counts = {name: counts[name] + words.counts[name] for name in counts}
            made.append(words)
        return counts

    # One segmentation of a recipe at a time: another one would take the words of its parts away.
    with file_lock(catalog, f"segmenting-{recipe.key[:16]}"):
        tokens = publish(catalog, catalog.tokens(recipe.key), recipe, write_tokens)
        for words in made:
            remove(catalog, words.directory)
    return tokens


def segment_part(part: SegmentJob) -> Artifact:
    """The words of one file of a corpus, cut or found; runs in a worker.

    Raises:
        DamagedArtifact: the file is not what it was when the corpus was opened.
    """
    catalog = Catalog(Path(part.root))
    path = catalog.root / part.corpus / part.name
    have_here(catalog.root / part.corpus, part.name)

    def write_words(draft: Path) -> dict[str, Any]:
        if file_sha256(path) != part.sha256:
            raise DamagedArtifact(part.corpus, f"{part.name} is not what the manifest says")
        counts = {"segmented": 0, "reused": 0, "tokens": 0}
        with pq.ParquetWriter(draft / _WORDS, SCHEMA, compression="zstd") as writer:
            for chunk in _chunks(path):
                table, reused = _segmented(catalog, part.segmenter, chunk)
                writer.write_table(table)
                counts["reused" if reused else "segmented"] += len(table)
                counts["tokens"] += len(table.column("tokens").combine_chunks().flatten())
        return counts

    return publish(catalog, part.directory, part.recipe, write_words)


def require_segmenter(tokens: Artifact) -> Segmenter:
    """The segmenter of the present settings, if these words are its.

    Raises:
        InputError: another one has cut them.
    """
    segmenter = Segmenter.from_environment()
    before = tokens.manifest.config["segmenter"]
    if not compatible(segmenter.fingerprint(), before):
        raise InputError(
            f"another segmenter has cut the words ({describe(before)}; now "
            f"{describe(segmenter.fingerprint())})",
            str(tokens.directory),
            "set HEADLINES_ENGINE and HEADLINES_DICTIONARY as they were, or segment anew "
            "(`headlines segment`)",
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


def _parts_of(catalog: Catalog, corpus: Artifact, segmenter: Segmenter) -> list[SegmentJob]:
    return [
        SegmentJob(
            root=str(catalog.root),
            place=catalog.relative(catalog.pieces / "chunks"),
            corpus=catalog.relative(corpus.directory),
            name=entry.path,
            sha256=entry.sha256,
            rows=entry.rows or 0,
            segmenter=segmenter,
        )
        for entry in corpus.manifest.files
        if entry.path.endswith(".parquet")
    ]


def _chunks(path: Path) -> Iterator[_Chunk]:
    chunk = _Chunk([], [], [])
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_READ_ROWS, columns=["row", "record_id", "title"]):
            columns = (batch.column(name).to_pylist() for name in ("row", "record_id", "title"))
            for row, record_id, title in zip(*columns, strict=True):
                chunk.row.append(row)
                chunk.record_id.append(record_id)
                chunk.title.append(title)
                if is_chunk_boundary(title, len(chunk.title)):
                    yield chunk
                    chunk = _Chunk([], [], [])
    if chunk.title:
        yield chunk


def _segmented(catalog: Catalog, segmenter: Segmenter, chunk: _Chunk) -> tuple[pa.Table, bool]:
    words = tokens_for(catalog, segmenter, chunk.title)
    try:
        tokens = read_token_lists(words)
    except FileNotFoundError:  # the cache was pruned this moment
        tokens = pa.chunked_array([segmenter.cut(chunk.title)], type=SCHEMA.field("tokens").type)
    columns = {"row": chunk.row, "record_id": chunk.record_id, "tokens": tokens}
    return pa.table(columns, schema=SCHEMA), words.reused
