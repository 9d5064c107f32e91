"""An artifact to publish, by tests and by processes that they kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe

SOURCE = Input("inbox/a.csv", "a" * 64, 3)


def publish_example(
    root: DataRoot, content: str, batch: str = "a.csv", notes: bool = True, **options: Any
) -> Artifact:
    recipe = Recipe("example", 1, (SOURCE,), {"content": content})
    return root.store.publish(root.predictions_of(batch), recipe, writer(content, notes), **options)


def writer(content: str, notes: bool) -> Callable[[Path], dict[str, Any]]:
    def write(draft: Path) -> dict[str, Any]:
        table = pa.table({"row": [0, 1, 2], "title": [content] * 3})
        pq.write_table(table, draft / "part-00000.parquet")
        if notes:
            (draft / "notes").mkdir()
            (draft / "notes/说明.txt").write_text(content, encoding="utf-8")
        return {"rows": 3}

    return write
