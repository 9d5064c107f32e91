"""Caches the words of texts by content: texts that were cut before are not cut again.

Texts are cached in chunks, because looking up a single headline takes longer than cutting it (see
`benchmarks/segment.py`). The texts themselves decide where a chunk ends, so adding, changing or
removing a text renews only its own chunk, rarely the next one too.
"""

import contextlib
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import json_digest
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Manifest, Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema([pa.field("tokens", pa.list_(pa.string()), nullable=False)])


@dataclass(frozen=True)
class ChunkSizes:
    """When a chunk ends; with the default sizes, after 2,000 rows on average.

    Attributes:
        min_rows: a frequent headline at which chunks end would make many small ones.
        max_rows: a chunk always ends there.
        one_in: in between, one in so many texts ends a chunk.
    """

    min_rows: int = 500
    max_rows: int = 8_000
    one_in: int = 1_500


@dataclass(frozen=True)
class CacheStats:
    """The cached words of one segmenter.

    Attributes:
        segmenter: its fingerprint.
        name: the directory below `tokens/by-content`, and the argument of `prune`.
        chunks: how many there are.
        rows: how many texts they hold.
        bytes: their size on disk.
        newest: when the newest chunk was created, ISO 8601 in UTC.
    """

    segmenter: dict[str, Any]
    name: str
    chunks: int
    rows: int
    bytes: int
    newest: str

    @property
    def days(self) -> int:
        """Whole days since the newest chunk was created."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.newest)).days


def is_chunk_boundary(text: str, rows: int, sizes: ChunkSizes = ChunkSizes()) -> bool:
    """Whether a chunk of `rows` rows ends after `text`, its last one."""
    if not sizes.min_rows <= rows < sizes.max_rows:
        return rows >= sizes.max_rows
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % sizes.one_in == 0


def tokens_for(root: DataRoot, segmenter: Segmenter, texts: list[str]) -> Artifact:
    """The words of a chunk of texts, in order, from the cache or cut now."""
    fingerprint = segmenter.fingerprint()
    texts_digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        texts_digest.update(len(content).to_bytes(8, "big") + content)
    recipe = Recipe(
        "words",
        STAGES["words"].version,
        (),
        {"segmenter": fingerprint, "texts": texts_digest.hexdigest()},
    )

    def write(draft: Path) -> dict[str, Any]:
        table = pa.table({"tokens": segmenter.cut(texts)}, schema=SCHEMA)
        pq.write_table(table, draft / "words.parquet", compression="zstd")
        return {"rows": len(texts)}

    name = f"{root.token_cache}/{json_digest(fingerprint)[:16]}/{recipe.key[:16]}"
    return root.store.publish(name, recipe, write)


def read_token_lists(artifact: Artifact) -> pa.ChunkedArray:
    """The words of each text of a chunk, in order."""
    return pq.read_table(artifact.files(".parquet")[0], schema=SCHEMA).column("tokens")


def cache_stats(root: DataRoot) -> list[CacheStats]:
    """The cached words of each segmenter, the newest first."""
    stats = []
    for name in _segmenters(root):
        manifests = list(_manifests(root, name))
        if manifests:
            stats.append(
                CacheStats(
                    segmenter=manifests[0].config["segmenter"],
                    name=name,
                    chunks=len(manifests),
                    rows=sum(manifest.counts["rows"] for manifest in manifests),
                    bytes=sum(file.bytes for manifest in manifests for file in manifest.files),
                    newest=max(manifest.created_at for manifest in manifests),
                )
            )
    return sorted(stats, key=lambda cached: cached.newest, reverse=True)


def prune(root: DataRoot, name: str) -> None:
    """Remove the words of one segmenter, by the `name` in its `CacheStats`.

    Raises:
        InputError: there is no such name.
    """
    if name not in _segmenters(root):
        raise InputError(
            f"there are no cached words {name!r}",
            str(_directory(root)),
            "run `headlines cache` for a list",
        )
    root.store.remove(f"{root.token_cache}/{name}")


def _directory(root: DataRoot) -> Path:
    return root.store.directory / root.token_cache  # each machine has its own


def _segmenters(root: DataRoot) -> list[str]:
    """The names of the segmenters whose words are cached."""
    if not _directory(root).is_dir():
        return []
    return sorted(path.name for path in _directory(root).iterdir() if path.is_dir())


def _manifests(root: DataRoot, segmenter: str) -> Iterator[Manifest]:
    with contextlib.suppress(FileNotFoundError):  # pruned by another process
        for chunk in root.store.list_artifacts(f"{root.token_cache}/{segmenter}"):
            with contextlib.suppress(DamagedArtifact):  # the next run that needs it rebuilds it
                if manifest := root.store.manifest(chunk):
                    yield manifest
