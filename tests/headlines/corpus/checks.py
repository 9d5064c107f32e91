"""Reads what an ingest left in a data root."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from headlines.corpus.write_files import SCHEMA
from headlines.storage.data_root import DataRoot

ALL_COLUMNS = [*SCHEMA.names, "split"]


def rejected_rows(root: DataRoot, name: str) -> list[dict[str, Any]]:
    path = path_of(root, root.rejects_of(f"corpus:{name}")) / "part-00000.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path, partitioning=None).to_pylist()
    return rows


def path_of(root: DataRoot, name: str) -> Path:
    return root.store.directory / name


def cache_folder(root: DataRoot) -> Path:
    """The token cache, with a folder for each segmenter."""
    return path_of(root, root.token_cache)


def files_in(root: DataRoot) -> list[Path]:
    """The files of a data root except its locks, which are empty and stay."""
    paths = root.store.directory.rglob("*")
    return [path for path in paths if path.is_file() and path.suffix != ".lock"]
