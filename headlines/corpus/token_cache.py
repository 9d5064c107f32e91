"""The words of texts, kept by their content: a text that was cut before is not cut again.

Texts are kept in chunks, not one by one: looking a single headline up takes longer than cutting it
(see `benchmarks/segment.py`). Where a chunk ends depends on the texts, not on their places, so a
text that is added, changed or taken out renews the chunk that holds it, seldom a next one too, and
those behind stay as they are.
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
from headlines.storage.artifact import Artifact, publish, read_manifest, remove
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema([pa.field("tokens", pa.list_(pa.string()), nullable=False)])
# Rows of a chunk. Without a least number, a headline that ends one and comes often would make many.
_LEAST_ROWS, _MOST_ROWS = 500, 8_000
_ONE_IN = 1_500  # texts ends a chunk that has its least: it has 2,000 rows in the mean


@dataclass(frozen=True)
class CacheStats:
    """What the cache holds of one segmenter.

    Attributes:
        segmenter: its fingerprint.
        name: the directory below `tokens/by-content`, to prune it by.
        chunks: how many there are.
        rows: how many texts they hold.
        bytes: their size on disk.
        newest: when the newest was made, ISO 8601 in UTC.
    """

    segmenter: dict[str, Any]
    name: str
    chunks: int
    rows: int
    bytes: int
    newest: str

    @property
    def days(self) -> int:
        """Whole days since the newest was made."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.newest)).days


def is_chunk_boundary(text: str, rows: int) -> bool:
    """Whether the chunk of so many rows ends behind this text, its last."""
    if not _LEAST_ROWS <= rows < _MOST_ROWS:
        return rows >= _MOST_ROWS
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % _ONE_IN == 0


def tokens_for(catalog: Catalog, segmenter: Segmenter, texts: list[str]) -> Artifact:
    """The words of a chunk of texts, in their order: cut, or found."""
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

    place = catalog.words / json_digest(fingerprint)[:16] / recipe.key[:16]
    return publish(catalog, place, recipe, write)


def read_token_lists(artifact: Artifact) -> pa.ChunkedArray:
    """The lists of words of a chunk, in the order of its texts."""
    return pq.read_table(artifact.files(".parquet")[0], schema=SCHEMA).column("tokens")


def cache_stats(catalog: Catalog) -> list[CacheStats]:
    """What the cache holds, the words made last first."""
    found = []
    for directory in _directories(catalog):
        manifests = [manifest for manifest in _manifests(directory) if manifest]
        if manifests:
            found.append(
                CacheStats(
                    segmenter=manifests[0].config["segmenter"],
                    name=directory.name,
                    chunks=len(manifests),
                    rows=sum(manifest.counts["rows"] for manifest in manifests),
                    bytes=sum(file.bytes for manifest in manifests for file in manifest.files),
                    newest=max(manifest.created_at for manifest in manifests),
                )
            )
    return sorted(found, key=lambda one: one.newest, reverse=True)


def prune(catalog: Catalog, name: str) -> None:
    """Remove the words of one segmenter, by the `name` that `kept` gives.

    Raises:
        InputError: there is none of that name.
    """
    directory = next((one for one in _directories(catalog) if one.name == name), None)
    if directory is None:
        raise InputError(
            f"there are no words of {name!r}",
            str(catalog.words),
            "`headlines cache` lists what is there",
        )
    remove(catalog, directory)


def _directories(catalog: Catalog) -> list[Path]:
    if not catalog.words.is_dir():
        return []
    return sorted(path for path in catalog.words.iterdir() if path.is_dir())


def _manifests(directory: Path) -> Iterator[Any]:
    with contextlib.suppress(FileNotFoundError):  # pruned by someone else meanwhile
        for chunk in directory.iterdir():
            with contextlib.suppress(DamagedArtifact):  # the next run that needs it sets it aside
                yield read_manifest(chunk)
