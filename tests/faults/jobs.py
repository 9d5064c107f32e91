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
from headlines.storage.artifact import Artifact, publish
from headlines.storage.cleanup import clean_drafts
from headlines.storage.layout import Catalog
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


def publish_example(root: str, content: str, keep_superseded: bool = False) -> None:
    """Publish an artifact at `reports/example`."""
    catalog = Catalog(Path(root))
    publish(
        catalog,
        catalog.reports / "example",
        recipe_of(content),
        lambda draft: write_example(draft, content),
        keep_superseded=keep_superseded,
    )


def publish_model(root: str, version: str, seed: int) -> Artifact:
    """Publish a classifier with random weights."""
    preset = factories.small_preset(name="tiny", min_count=1, embedding_size=4, units=3)
    bundle = factories.random_bundle(preset, WORDS, seed=seed, history=(), best_epoch=0)
    return factories.publish_model(Catalog(Path(root)), version, seed=seed, bundle=bundle)


def first_model(root: str) -> None:
    """Publish and promote the first model in the steps that training takes."""
    catalog = Catalog(Path(root))
    champion.finish_first_promotion(catalog)
    champion.mark_first_training(catalog)
    publish_model(root, "first", seed=1)
    champion.finish_first_promotion(catalog)


def second_model(root: str) -> None:
    """Publish another model."""
    publish_model(root, "second", seed=2)


def promote(root: str) -> None:
    """Promote the other model."""
    champion.promote(Catalog(Path(root)), "second", "better")


def ingest_corpus(root: str) -> None:
    """Make the corpus `news` of a file beside the data."""
    ingest.ingest(Catalog(Path(root)), "news", str(Path(root) / "corpus.csv"))


def segment_corpus(root: str) -> None:
    """Cut the headlines of that corpus; made anew where it is damaged."""
    catalog = Catalog(Path(root))
    tokens.segment_corpus(catalog, dataset.ensure(catalog, "news"))


def read(root: str, name: str) -> dict[str, Any]:
    """Read a file of the inbox and check its rows: the numbers of all, and how many there are."""
    records = list(read_records(Catalog(Path(root)).inbox / name, ReadOptions()))
    for record in records:
        with contextlib.suppress(ValueError):  # the reason of its rejection
            rows.validate_row(record, ReadOptions())
    return {"rows": [record.row for record in records], "rows_in": len(records)}


def sweep(root: str) -> int:
    """Sweep drafts."""
    return clean_drafts(Catalog(Path(root)))


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
