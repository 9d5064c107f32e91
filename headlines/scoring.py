"""Scores an admitted batch: each chunk, then all of them committed as its predictions.

Chunks are artifacts of their own below `.work`, so a run that was killed finds those that were
finished. Chunk boundaries depend on the rows alone.
"""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headlines import admission, batches, registry
from headlines.artifact import Artifact, publish, read_manifest, remove
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.manifest import Recipe, Source
from headlines.reports import BatchResult
from headlines.segmentation import Segmenter
from headlines.sources import read_records
from headlines.stages import STAGES
from headlines.text import record_id

if TYPE_CHECKING:
    from lstm_model.packed import PackedScorer

PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("label_name", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        *(pa.field(f"p_{name}", pa.float32(), nullable=False) for name in LABELS),
        pa.field("model", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


@dataclass(frozen=True)
class Chunk:
    """A piece of an admitted batch, as small plain data that can go to another process.

    Attributes:
        root: the data root.
        batch: name of the batch.
        number: position of the piece in the batch, from 0.
        admitted: the file of its rows.
        admitted_sha256: digest of that file.
        rows: how many rows it has.
        model: version that scores.
        model_key: key of that version's artifact.
        segmenter: what cuts its titles, the same for all pieces of the batch.
    """

    root: str
    batch: str
    number: int
    admitted: str
    admitted_sha256: str
    rows: int
    model: str
    model_key: str
    segmenter: Segmenter


def preflight(catalog: Catalog, batch: Batch, encoding: str) -> None:
    """Find out what can be known of a batch at once, before anything is started for it.

    Raises:
        InputError: there is no champion that can be read, or the file cannot be.
    """
    registry.scorer(registry.champion(catalog), Segmenter.from_environment().fingerprint())
    next(read_records(batch.path, encoding))


def chunks_of(catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact) -> list[Chunk]:
    """The pieces of an admitted batch, to be scored by one model and cut by one segmenter."""
    segmenter = Segmenter.from_environment()
    return [
        Chunk(
            root=str(catalog.root),
            batch=batch.name,
            number=number,
            admitted=str(admitted.directory / entry.path),
            admitted_sha256=entry.sha256,
            rows=entry.rows or 0,
            model=model.directory.name,
            model_key=model.manifest.key,
            segmenter=segmenter,
        )
        for number, entry in enumerate(
            entry for entry in admitted.manifest.files if entry.path.startswith("chunk-")
        )
    ]


def score_chunk(chunk: Chunk) -> Artifact:
    """Score one piece of a batch, or reuse the piece where it is finished.

    Runs in a worker process; loads the model once a process.
    """
    catalog = Catalog(Path(chunk.root))
    recipe = Recipe(
        "predictions",
        STAGES["predictions"].version,
        (Source(chunk.admitted, chunk.admitted_sha256, chunk.rows),),
        # The batch too: another one with the same rows has pieces of its own to take away.
        {
            "batch": chunk.batch,
            "model": chunk.model_key,
            "segmenter": chunk.segmenter.fingerprint(),
        },
    )

    def write_part(draft: Path) -> dict[str, Any]:
        rows = pq.read_table(chunk.admitted, schema=admission.ADMITTED_SCHEMA)
        scorer = _scorer(chunk.root, chunk.model, chunk.segmenter)
        table = predictions_table(rows, scorer, chunk.segmenter, chunk.model)
        pq.write_table(table, draft / "part.parquet", compression="zstd")
        labels = np.bincount(table.column("label").to_numpy(), minlength=len(LABELS))
        return {
            "scored": len(table),
            "labels": {name: int(labels[label]) for label, name in enumerate(LABELS)},
        }

    return publish(catalog, catalog.work / "chunks" / recipe.key[:16], recipe, write_part)


def predictions_table(
    rows: pa.Table, scorer: "PackedScorer", segmenter: Segmenter, model: str
) -> pa.Table:
    """Predictions of admitted rows: a table of `PREDICTION_SCHEMA`, one row each, in order."""
    titles = rows.column("title").to_pylist()
    probabilities = scorer.predict(segmenter.cut(titles))
    labels = scorer.labels(probabilities)
    columns = {
        "row": rows.column("row"),
        "record_id": [record_id(title) for title in titles],
        "id": rows.column("id"),
        "title": rows.column("title"),
        "label": labels,
        "label_name": [LABELS[label] for label in labels],
        "probability": np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0],
        **{f"p_{name}": probabilities[:, label] for label, name in enumerate(LABELS)},
        "model": [model] * len(titles),
        "extra": rows.column("extra"),
    }
    return pa.table(columns, schema=PREDICTION_SCHEMA)


def commit(
    catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact, scored: list[Artifact]
) -> Artifact:
    """Publish the predictions of a batch, its rejects before them.

    What stood there before (a batch revised, or scored by another model) goes to `superseded/`.

    Raises:
        RuntimeError: rows in are not rows scored and rejected; nothing is published then.
    """
    counts = admitted.counts
    rows = sum(part.counts["scored"] for part in scored)
    if counts["rows_in"] != rows + counts["rejected"]:
        raise RuntimeError(
            f"{batch.name}: {counts['rows_in']} rows in, but {rows} scored and "
            f"{counts['rejected']} rejected"
        )
    recipe = Recipe(
        "predictions",
        STAGES["predictions"].version,
        (batch.as_source(catalog, counts["rows_in"]), model.as_source(catalog)),
        {
            "batch": batch.name,
            "encoding": admitted.manifest.config["encoding"],
            "segmenter": scored[0].manifest.config["segmenter"],
        },
    )

    def gather_parts(draft: Path) -> dict[str, Any]:
        for number, part in enumerate(scored):
            shutil.copyfile(part.directory / "part.parquet", draft / f"part-{number:05d}.parquet")
        return {
            "model": model.directory.name,
            "rows_in": counts["rows_in"],
            "scored": rows,
            "rejected": counts["rejected"],
            "reasons": counts["reasons"],
            "labels": {name: sum(p.counts["labels"][name] for p in scored) for name in LABELS},
        }

    # Before its predictions are there: a run that is killed must not leave it scored and failed.
    batches.release(catalog, batch)
    admission.publish_rejects(catalog, batch, admitted)
    predictions = publish(
        catalog, catalog.prediction(batch.name), recipe, gather_parts, keep_superseded=True
    )
    for artifact in (*scored, admitted):
        remove(catalog, artifact.directory)
    return predictions


def stop(catalog: Catalog, batch: Batch, encoding: str, error: InputError) -> Artifact:
    """Put a batch that cannot be scored into `failed/`: why, and the rows that are to blame.

    The rejects of predictions that stand from before are left as they are.
    """

    def write_report(draft: Path) -> dict[str, Any]:
        text = (
            f"# {batch.name} was stopped\n\n{error.what}\n\n- where: {error.where}\n"
            f"- how to mend it: {error.mend}\n\nIt is tried again when its bytes change, or with "
            f"`headlines score --release` and its file.\n"
        )
        (draft / "report.md").write_text(text, encoding="utf-8")
        admission.copy_rejects(catalog, batch, encoding, draft)
        return {"what": error.what, "where": error.where, "mend": error.mend}

    batches.release(catalog, batch)  # what was said of it before, with other options perhaps
    recipe = batches.failure_recipe(catalog, batch)
    stopped = publish(catalog, catalog.failed(batch.name), recipe, write_report)
    admission.discard(catalog, batch, encoding)
    return stopped


def batch_result(catalog: Catalog, batch: Batch, outcome: str) -> BatchResult:
    """What became of a batch, read from its manifest in `predictions/` or `failed/`."""
    if outcome == "waiting":
        message = str(batches.waiting_error(catalog, batch))
        return BatchResult(batch.name, outcome, message=message)
    directory = catalog.prediction(batch.name)
    manifest = read_manifest(directory)
    if manifest is None:
        raise RuntimeError(f"the predictions of {batch.name} are no longer at {directory}")
    counts = manifest.counts
    return BatchResult(
        batch=batch.name,
        outcome=outcome,
        predictions=str(directory),
        rows_in=counts["rows_in"],
        scored=counts["scored"],
        rejected=counts["rejected"],
        reasons=counts["reasons"],
        labels=counts["labels"],
        model=counts["model"],
    )


@lru_cache(maxsize=2)
def _scorer(root: str, version: str, segmenter: Segmenter) -> "PackedScorer":
    import threadpoolctl

    # One BLAS thread: the workers share the cores, and sums round the same on every machine.
    threadpoolctl.threadpool_limits(1, "blas")
    return registry.scorer(registry.model(Catalog(Path(root)), version), segmenter.fingerprint())
