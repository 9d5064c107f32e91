"""Scores the pieces of an admitted batch, then commits all of them as its predictions.

The predictions of a piece are an artifact of their own below `.work`, so a run that was killed
finds those that were finished. Where a piece ends depends on the rows alone.
"""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines import admission, batches, champion, registry
from headlines.artifact import Artifact, publish, read_manifest, remove, take_file
from headlines.batch_reading import Piece, pieces_of
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.contents import content_words, missing
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.manifest import Recipe, Source, digest_of
from headlines.outcomes import BatchResult
from headlines.profile import BINS, NO_HEADLINES, Profile, profile_of, unknown_shares
from headlines.segmentation import Segmenter
from headlines.sources import Reading
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


class Scored(NamedTuple):
    """Predictions of some rows.

    Attributes:
        table: of `PREDICTION_SCHEMA`.
        profile: what the headlines look like.
        without_content: how many were labelled by their titles for want of an article that the
            model would read.
    """

    table: pa.Table
    profile: Profile
    without_content: int


@dataclass(frozen=True)
class Chunk:
    """A piece of an admitted batch and what scores it: small plain data for another process.

    Attributes:
        root: the data root.
        place: below it, of the predictions of pieces until the batch is committed.
        batch: name of the batch.
        piece: the rows.
        model: version that scores.
        model_key: key of that version's artifact.
        model_files: digest of that version's files, which a worker elsewhere must have too.
        segmenter: what cuts its titles, the same for all pieces of the batch.
        content_column: of the articles; None for a model that reads titles alone.
    """

    root: str
    place: str
    batch: str
    piece: Piece
    model: str
    model_key: str
    model_files: str
    segmenter: Segmenter
    content_column: str | None

    @property
    def recipe(self) -> Recipe:
        """All that decides its predictions."""
        return Recipe(
            "predictions",
            STAGES["predictions"].version,
            (Source(self.piece.path, self.piece.key, self.piece.rows),),
            {
                "model": self.model_key,
                "offset": self.piece.offset,
                "segmenter": self.segmenter.fingerprint(),
                "content_column": self.content_column,
                # Profiles with other bins, or none, cannot be added to those of the other pieces.
                "profile": {name: list(bounds) for name, bounds in BINS.items()},
            },
        )

    @property
    def directory(self) -> Path:
        """Where its predictions lie until the batch is committed."""
        return Path(self.root) / self.place / self.recipe.key[:16]


def preflight(catalog: Catalog, batch: Batch, reading: Reading) -> None:
    """Find out what can be known of a batch at once, before anything is started for it.

    Raises:
        InputError: there is no champion that can be read, or the file cannot be.
    """
    registry.scorer(champion.current(catalog), Segmenter.from_environment().fingerprint())
    admission.look_into(batch, reading)


def chunk_of(
    catalog: Catalog,
    batch: Batch,
    piece: Piece,
    model: Artifact,
    segmenter: Segmenter,
    reading: Reading,
) -> Chunk:
    """A piece of a batch, to be scored by one model and cut by one segmenter."""
    return Chunk(
        root=str(catalog.root),
        place=catalog.relative(catalog.pieces / "chunks"),
        batch=batch.name,
        piece=piece,
        model=model.directory.name,
        model_key=model.manifest.key,
        model_files=digest_of_files(model),
        segmenter=segmenter,
        content_column=reading.content_column if registry.preset_of(model).contents else None,
    )


def chunks_of(catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact) -> list[Chunk]:
    """All pieces of an admitted batch, to be scored by one model and cut by one segmenter."""
    segmenter = Segmenter.from_environment()
    reading = Reading(**admitted.manifest.config["reading"])
    pieces = pieces_of(admitted)
    return [chunk_of(catalog, batch, piece, model, segmenter, reading) for piece in pieces]


def score_chunk(chunk: Chunk) -> Artifact:
    """Score one piece of a batch, or reuse its predictions where they are there.

    Raises:
        DamagedArtifact: the piece is not what was admitted.
    """

    def write_part(draft: Path) -> dict[str, Any]:
        profile, without_content = NO_HEADLINES, 0
        with pq.ParquetWriter(draft / "part.parquet", PREDICTION_SCHEMA, compression="zstd") as to:
            for scored in predictions_of(chunk):
                to.write_table(scored.table)
                profile += scored.profile
                without_content += scored.without_content
        return {
            "scored": profile.rows,
            "without_content": without_content,
            "profile": profile.to_dict(),
        }

    return publish(Catalog(Path(chunk.root)), chunk.directory, chunk.recipe, write_part)


def predictions_of(chunk: Chunk) -> Iterator[Scored]:
    """Predictions of a piece, in order, in tables of some thousand rows.

    Runs in a worker process; loads the model once a process.

    Raises:
        DamagedArtifact: the piece is not what was admitted.
        InputError: the model that lies here is not the one that is to score.
    """
    scorer = scorer_of(chunk.root, chunk.model, chunk.model_files, chunk.segmenter.fingerprint())
    for rows in admission.rows_of(Catalog(Path(chunk.root)), chunk.piece):
        yield predictions_table(rows, scorer, chunk.segmenter, chunk.model, chunk.content_column)


def predictions_table(
    rows: pa.RecordBatch,
    scorer: "PackedScorer",
    segmenter: Segmenter,
    model: str,
    content_column: str | None,
) -> Scored:
    """Predictions of admitted rows, one row each, in order."""
    from lstm_model.vocabulary import UNKNOWN

    titles = rows.column("title").to_pylist()
    articles = _articles(rows, content_column) if content_column else ()
    contents = content_words(scorer.preset, segmenter, articles)
    read = scorer.ids(segmenter.cut(titles), contents)
    ids, words = read[0]  # (words,), (rows,)
    probabilities = scorer.predict_ids(read)
    labels = scorer.labels(probabilities)
    confidence = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    columns = {
        "row": rows.column("row"),
        "record_id": [record_id(title) for title in titles],
        "id": rows.column("id"),
        "title": rows.column("title"),
        "label": labels,
        "label_name": [LABELS[label] for label in labels],
        "probability": confidence,
        **{f"p_{name}": probabilities[:, label] for label, name in enumerate(LABELS)},
        "model": [model] * len(titles),
        "extra": rows.column("extra"),
    }
    profile = profile_of(
        labels,
        confidence,
        length=pc.utf8_length(rows.column("title")).to_numpy(),
        unknown=unknown_shares(ids != UNKNOWN, words),
    )
    return Scored(pa.table(columns, schema=PREDICTION_SCHEMA), profile, missing(contents))


def _articles(rows: pa.RecordBatch, column: str) -> Iterator[Any]:
    """The article of each admitted row, from among its other columns; None where it has none."""
    for extra in rows.column("extra").to_pylist():
        yield json.loads(extra).get(column) if extra else None


def commit(
    catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact, scored: list[Artifact]
) -> Artifact:
    """Publish the predictions of a batch, its rejects before them.

    What stood there before (a batch revised, or scored by another model) goes to `superseded/`.

    Raises:
        RuntimeError: rows in are not rows scored and rejected, or what was scored is not what was
            admitted; nothing is published then.
    """
    counts = admitted.counts
    pieces = pieces_of(admitted)
    if [part.manifest.inputs[0].sha256 for part in scored] != [piece.key for piece in pieces]:
        raise RuntimeError(f"{batch.name}: what was scored is not what was admitted")
    rows = sum(part.counts["scored"] for part in scored)
    if counts["rows_in"] != rows + counts["rejected"]:
        raise RuntimeError(
            f"{batch.name}: {counts['rows_in']} rows in, but {rows} scored and "
            f"{counts['rejected']} rejected"
        )
    reading = dict(admitted.manifest.config["reading"])
    if not registry.preset_of(model).contents:
        del reading["content_column"]  # it has not been looked at
    recipe = Recipe(
        "predictions",
        STAGES["predictions"].version,
        (batch.as_source(catalog, counts["rows_in"]), model.as_source(catalog)),
        {
            "batch": batch.name,
            "reading": reading,
            "segmenter": scored[0].manifest.config["segmenter"],
        },
    )

    def gather_parts(draft: Path) -> dict[str, Any]:
        profile, without_content = NO_HEADLINES, 0
        for number, part in enumerate(scored):
            take_file(part, "part.parquet", draft / f"part-{number:05d}.parquet")
            profile += Profile.from_dict(part.counts["profile"])
            without_content += part.counts["without_content"]
        return {
            "model": model.directory.name,
            "rows_in": counts["rows_in"],
            "scored": rows,
            "rejected": counts["rejected"],
            "without_content": without_content,
            "reasons": counts["reasons"],
            "cut": counts["cut"],
            "labels": profile.labels,
            "profile": profile.to_dict(),
        }

    # Before its predictions are there: a run that is killed must not leave it scored and failed.
    batches.release(catalog, batch)
    admission.publish_rejects(catalog, batch, admitted)
    predictions = publish(
        catalog, catalog.prediction(batch.name), recipe, gather_parts, keep_superseded=True
    )
    for part in scored:
        remove(catalog, part.directory)
    as_admitted = Reading(**admitted.manifest.config["reading"])
    admission.discard(catalog, batch, as_admitted, pieces)
    return predictions


def discard(catalog: Catalog, chunks: Sequence[Chunk]) -> None:
    """Remove the pieces of a batch that will not be scored, and what was scored of them."""
    for chunk in chunks:
        remove(catalog, chunk.directory)
        remove(catalog, catalog.root / chunk.piece.path)


def stop(catalog: Catalog, batch: Batch, reading: Reading, error: InputError) -> Artifact:
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
        admission.copy_rejects(catalog, batch, reading, draft)
        return {"what": error.what, "where": error.where, "mend": error.mend}

    batches.release(catalog, batch)  # what was said of it before, with other options perhaps
    recipe = batches.failure_recipe(catalog, batch)
    stopped = publish(catalog, catalog.failed(batch.name), recipe, write_report)
    admission.discard(catalog, batch, reading, ())
    return stopped


def refuse_other_reading(catalog: Catalog, batch: Batch, reading: Reading) -> None:
    """See that a batch that was scored was read as it is now to be read.

    Raises:
        InputError: it was not.
    """
    manifest = read_manifest(catalog.prediction(batch.name))
    before = manifest.config.get("reading") if manifest else None
    others = {
        name: value for name, value in (before or {}).items() if getattr(reading, name) != value
    }
    if others:
        told = ", ".join(f"{name} {value!r}" for name, value in others.items())
        raise InputError(
            f"the batch was scored before, and read otherwise ({told})",
            str(batch.path),
            "add --rescore to score it anew as it is to be read now",
        )


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
        without_content=counts.get("without_content", 0),  # 0: of before models read articles
        reasons=counts["reasons"],
        labels=counts["labels"],
        model=counts["model"],
        profile=counts.get("profile"),
    )


def scored_since(catalog: Catalog, batch: Batch, when: str) -> bool:
    """Whether the predictions of a batch were published since a second, ISO 8601 in UTC."""
    manifest = read_manifest(catalog.prediction(batch.name))
    return manifest is not None and manifest.created_at >= when


def digest_of_files(model: Artifact) -> str:
    """Digest of all files of a model: two of one version and key may differ in them."""
    return digest_of({entry.path: entry.sha256 for entry in model.manifest.files})


def scorer_of(root: str, version: str, files: str, segmenter: Mapping[str, Any]) -> "PackedScorer":
    """What scores with a model, in a worker: loaded once a process.

    Args:
        root: the data root.
        version: of the model.
        files: what `digest_of_files` gave of the model where the run is.
        segmenter: the fingerprint of what cuts the words that are scored.

    Raises:
        InputError: the model that lies here is another one, or cannot be used with these words.
    """
    return _scorer(root, version, files, json.dumps(segmenter, sort_keys=True))


@lru_cache(maxsize=2)
def _scorer(root: str, version: str, files: str, segmenter: str) -> "PackedScorer":
    import threadpoolctl

    # One BLAS thread: the workers share the cores, and sums round the same on every machine.
    threadpoolctl.threadpool_limits(1, "blas")
    model = registry.model(Catalog(Path(root)), version)
    if (found := digest_of_files(model)) != files:
        raise InputError(
            f"the model {version} is another one here (files {found[:8]} instead of {files[:8]})",
            f"{model.directory} on {socket.gethostname()}",
            "have all machines use one data root, or copy the model there again",
        )
    return registry.scorer(model, json.loads(segmenter))
