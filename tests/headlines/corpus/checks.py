"""Reads what an ingest left in a data root."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from headlines.corpus.write_files import SCHEMA
from headlines.storage.layout import Catalog

ALL_COLUMNS = [*SCHEMA.names, "split"]


def rejected_rows(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    path = catalog.rejected(f"corpus:{name}") / "part-00000.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path, partitioning=None).to_pylist()
    return rows


def files_in(catalog: Catalog) -> list[Path]:
    """The files of a data root except its locks, which are empty and stay."""
    return [path for path in catalog.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
