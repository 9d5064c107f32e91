"""The jobs that `victim.py` does in a child process, but for those that score."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.corpus import dataset, ingest, tokens
from headlines.models import champion
from headlines.readers import ReadOptions, read_records
from headlines.scoring import rows
from headlines.storage.artifact import Artifact
from headlines.storage.cleanup import clean_drafts
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from tests import factories
from tests.factories import WORDS


def recipe_of(content: str) -> Recipe:
    """A recipe whose key stands for a content."""
    return Recipe("example", 1, (), {"content": content})


def write_example(draft: Path, content: str) -> dict[str, Any]:
    """The files of an artifact: some Parquet, and text in a folder."""
    for number in range(2):
        table = pa.table({"row": range(500), "text": [f"{content} {n}" for n in range(500)]})
        pq.write_table(table, draft / f"part-{number}.parquet")
    (draft / "notes").mkdir()
    (draft / "notes" / "readme.txt").write_text(content * 40, encoding="utf-8")
    return {"rows": 1000}


def publish_example(root: str, content: str, keep_old: bool = False) -> None:
    """Publish an artifact at `reports/example`."""
    DataRoot.open(root).store.publish(
        "reports/example",
        recipe_of(content),
        lambda draft: write_example(draft, content),
        keep_old=keep_old,
    )


def publish_model(root: str, version: str, seed: int) -> Artifact:
    """Publish a classifier with random weights."""
    preset = factories.small_preset(name="tiny", min_count=1, embedding_size=4, units=3)
    bundle = factories.random_bundle(preset, WORDS, seed=seed, history=(), best_epoch=0)
    return factories.publish_model(DataRoot.open(root), version, seed=seed, bundle=bundle)


def first_model(root: str) -> None:
    """Publish and promote the first model in the steps that training takes."""
    data = DataRoot.open(root)
    champion.finish_first_promotion(data)
    champion.mark_first_training(data)
    publish_model(root, "first", seed=1)
    champion.finish_first_promotion(data)


def second_model(root: str) -> None:
    """Publish another model."""
    publish_model(root, "second", seed=2)


def promote(root: str) -> None:
    """Promote the other model."""
    champion.promote(DataRoot.open(root), "second", "better")


def ingest_corpus(root: str) -> None:
    """Ingest the corpus `news` from a file next to the data."""
    ingest.ingest(DataRoot.open(root), "news", str(Path(root) / "corpus.csv"))


def segment_corpus(root: str) -> None:
    """Segment the headlines of that corpus, which is ingested again if it is damaged."""
    data = DataRoot.open(root)
    tokens.segment_corpus(data, dataset.ensure(data, "news"))


def read(root: str, name: str) -> dict[str, Any]:
    """Read a file of the inbox and check its rows: the numbers of all, and how many there are."""
    records = list(read_records(Path(root) / "inbox" / name, ReadOptions()))
    for record in records:
        with contextlib.suppress(ValueError):  # the reason of its rejection
            rows.validate_row(record, ReadOptions())
    return {"rows": [record.row for record in records], "rows_in": len(records)}


def sweep(root: str) -> int:
    """Sweep drafts."""
    return clean_drafts(DataRoot.open(root).store.work)


JOBS: dict[str, Callable[..., Any]] = {
    job.__name__: job
    for job in (
        publish_example,
        first_model,
        second_model,
        promote,
        ingest_corpus,
        segment_corpus,
        read,
        sweep,
    )
}
