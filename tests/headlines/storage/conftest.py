"""An artifact in a local store, which the tests of storage publish."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.storage.artifact import Artifact
from headlines.storage.local_store import LocalStore
from headlines.storage.manifest import Input, Recipe

SOURCE = Input("inbox/a.csv", "a" * 64, 3)
NAME = "reports/example"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "data")


@pytest.fixture
def target(store: LocalStore) -> Path:
    return store.path(NAME)


def recipe(**config: Any) -> Recipe:
    return Recipe("example", 1, (SOURCE,), config)


def write(draft: Path) -> dict[str, Any]:
    """Two Parquet files of three and two rows, and text in a folder."""
    for name, rows in (("part-1.parquet", 3), ("part-0.parquet", 2)):
        pq.write_table(pa.table({"row": range(rows)}), draft / name)
    (draft / "notes").mkdir()
    (draft / "notes/说明.txt").write_text("三行", encoding="utf-8")
    return {"rows": 5, "labels": {"positive": 2}}


def make(store: LocalStore, content: str, **options: Any) -> Artifact:
    def write_text(draft: Path) -> dict[str, Any]:
        (draft / "text").write_text(content)
        return {}

    return store.publish(NAME, recipe(content=content), write_text, **options)


def in_work(store: LocalStore) -> list[str]:
    return sorted(path.name for path in store.work.iterdir() if path.suffix != ".lock")
