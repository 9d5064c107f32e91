"""Admits a batch: its usable rows as chunks to be scored, the others beside them as rejects."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.artifact import Artifact, publish, remove
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.manifest import Recipe, file_digest
from headlines.rejects import Reject, by_reason, write_rejects
from headlines.sources import TITLE, Record, read_records, to_json
from headlines.stages import STAGES
from headlines.text import has_undecodable, problem_of_title

CHUNK_ROWS = 10_000
REJECTS = "rejects.parquet"
MAX_REJECT_RATE = 0.05
ID = "id"

ADMITTED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


def admit(catalog: Catalog, batch: Batch, encoding: str) -> Artifact:
    """Read a batch; write its usable rows as chunks, and the others as rejects.

    Raises:
        InputError: the file cannot be read, or changed while it was read.
    """
    recipe = _admission(catalog, batch, encoding)

    def write_chunks(draft: Path) -> dict[str, Any]:
        rejects: list[Reject] = []
        rows = admitted = 0
        chunk: list[dict[str, Any]] = []
        number = 0
        for record in read_records(batch.path, encoding):
            rows += 1
            try:
                chunk.append(_admitted(record))
            except ValueError as error:
                rejects.append(Reject(record.row, str(error), record.raw))
            if len(chunk) == CHUNK_ROWS:
                _write_chunk(draft, number, chunk)
                admitted, number, chunk = admitted + len(chunk), number + 1, []
        if chunk:
            _write_chunk(draft, number, chunk)
            admitted += len(chunk)
        if rejects:
            write_rejects(draft / REJECTS, rejects)
        if file_digest(batch.path) != batch.sha256:
            raise InputError(
                "the file changed while it was read", str(batch.path), "score it when it is whole"
            )
        return {
            "rows_in": rows,
            "admitted": admitted,
            "rejected": len(rejects),
            "reasons": by_reason(rejects),
        }

    return publish(catalog, _admitted_directory(catalog, recipe), recipe, write_chunks)


def check_reject_rate(batch: Batch, admitted: Artifact, max_reject_rate: float) -> None:
    """See that a batch is good enough to publish predictions of it.

    Raises:
        InputError: more than that share of its rows was rejected, or all were.
    """
    counts = admitted.counts
    rate = counts["rejected"] / counts["rows_in"]
    if rate <= max_reject_rate and counts["admitted"]:
        return
    commonest = "; ".join(
        f"{reason} ({rows})" for reason, rows in list(counts["reasons"].items())[:3]
    )
    raise InputError(
        f"{counts['rejected']} of {counts['rows_in']} rows ({rate:.1%}) cannot be used, more "
        f"than {max_reject_rate:.1%}: {commonest}",
        str(batch.path),
        "mend the file, or allow more with --max-reject-rate",
    )


def publish_rejects(catalog: Catalog, batch: Batch, admitted: Artifact) -> None:
    """Publish the rows of a batch that could not be used, if there are any."""
    target = catalog.rejected(batch.name)
    if not admitted.counts["rejected"]:
        remove(catalog, target, keep_superseded=True)
        return
    recipe = Recipe(
        "rejects",
        STAGES["admitted"].version,
        (batch.as_source(catalog, admitted.counts["rows_in"]),),
        admitted.manifest.config,
    )

    def write_part(draft: Path) -> dict[str, Any]:
        shutil.copyfile(admitted.directory / REJECTS, draft / "part-00000.parquet")
        return {"rejected": admitted.counts["rejected"], "reasons": admitted.counts["reasons"]}

    publish(catalog, target, recipe, write_part, keep_superseded=True)


def copy_rejects(catalog: Catalog, batch: Batch, encoding: str, target: Path) -> None:
    """Copy the rejects of a batch that was read, if there are any, into a directory."""
    path = _admitted_directory(catalog, _admission(catalog, batch, encoding)) / REJECTS
    if path.exists():
        shutil.copyfile(path, target / REJECTS)


def discard(catalog: Catalog, batch: Batch, encoding: str) -> None:
    """Remove the chunks of a batch that will not be scored."""
    remove(catalog, _admitted_directory(catalog, _admission(catalog, batch, encoding)))


def _admission(catalog: Catalog, batch: Batch, encoding: str) -> Recipe:
    return Recipe(
        "admitted",
        STAGES["admitted"].version,
        (batch.as_source(catalog),),
        {"batch": batch.name, "encoding": encoding, "chunk_rows": CHUNK_ROWS},
    )


def _admitted_directory(catalog: Catalog, admission: Recipe) -> Path:
    return catalog.work / "admitted" / admission.key[:16]


def _admitted(record: Record) -> dict[str, Any]:
    if record.problem:
        raise ValueError(record.problem)
    fields = dict(record.fields)
    title = fields.pop(TITLE, None)
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    if problem := problem_of_title(title):
        raise ValueError(problem)
    identity = fields.pop(ID, None)
    identity = None if identity is None else str(identity)
    extra = to_json(fields) if fields else None
    for name, value in (("id", identity), ("another column", extra)):
        if value is not None and has_undecodable(value):
            raise ValueError(f"{name} has undecodable bytes")
    return {"row": record.row, "id": identity, "title": title, "extra": extra}


def _write_chunk(draft: Path, number: int, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=ADMITTED_SCHEMA)
    pq.write_table(table, draft / f"chunk-{number:05d}.parquet", compression="zstd")
