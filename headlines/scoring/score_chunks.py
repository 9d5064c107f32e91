"""Scores the pieces of an admitted batch, then commits all of them as its predictions.

The predictions of a piece are an artifact of their own below `.work`, so a run that was killed
finds those that were finished. Where a piece ends depends on the rows alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines.labels import LABELS
from headlines.metrics.profile import BINS, EMPTY_PROFILE, Profile, oov_rates, profile_of
from headlines.models import champion, registry
from headlines.models.scorers import cached_scorer, model_files_digest
from headlines.readers import ReadOptions
from headlines.readers.titles import record_id
from headlines.scoring import prepare
from headlines.scoring.batch import Batch
from headlines.scoring.read_chunks import ChunkRef, chunk_refs
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens, count_missing_articles
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

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


class ScoredRows(NamedTuple):
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
class ScoreJob:
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
    piece: ChunkRef
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
            (Input(self.piece.path, self.piece.key, self.piece.rows),),
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


def preflight(catalog: Catalog, batch: Batch, reading: ReadOptions) -> None:
    """Find out what can be known of a batch at once, before anything is started for it.

    Raises:
        InputError: there is no champion that can be read, or the file cannot be.
    """
    registry.load_scorer(
        champion.open_champion(catalog), Segmenter.from_environment().fingerprint()
    )
    prepare.check_first_row(batch, reading)


def make_job(
    catalog: Catalog,
    batch: Batch,
    piece: ChunkRef,
    model: Artifact,
    segmenter: Segmenter,
    reading: ReadOptions,
) -> ScoreJob:
    """A piece of a batch, to be scored by one model and cut by one segmenter."""
    return ScoreJob(
        root=str(catalog.root),
        place=catalog.relative(catalog.pieces / "chunks"),
        batch=batch.name,
        piece=piece,
        model=model.directory.name,
        model_key=model.manifest.key,
        model_files=model_files_digest(model),
        segmenter=segmenter,
        content_column=reading.content_column if registry.preset_of(model).contents else None,
    )


def make_jobs(
    catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact
) -> list[ScoreJob]:
    """All pieces of an admitted batch, to be scored by one model and cut by one segmenter."""
    segmenter = Segmenter.from_environment()
    reading = ReadOptions(**admitted.manifest.config["reading"])
    pieces = chunk_refs(admitted)
    return [make_job(catalog, batch, piece, model, segmenter, reading) for piece in pieces]


def score_chunk(chunk: ScoreJob) -> Artifact:
    """Score one piece of a batch, or reuse its predictions where they are there.

    Raises:
        DamagedArtifact: the piece is not what was admitted.
    """

    def write_part(draft: Path) -> dict[str, Any]:
        profile, without_content = EMPTY_PROFILE, 0
        with pq.ParquetWriter(draft / "part.parquet", PREDICTION_SCHEMA, compression="zstd") as to:
            for scored in iter_predictions(chunk):
                to.write_table(scored.table)
                profile += scored.profile
                without_content += scored.without_content
        return {
            "scored": profile.rows,
            "without_content": without_content,
            "profile": profile.to_dict(),
        }

    return publish(Catalog(Path(chunk.root)), chunk.directory, chunk.recipe, write_part)


def iter_predictions(chunk: ScoreJob) -> Iterator[ScoredRows]:
    """Predictions of a piece, in order, in tables of some thousand rows.

    Runs in a worker process; loads the model once a process.

    Raises:
        DamagedArtifact: the piece is not what was admitted.
        InputError: the model that lies here is not the one that is to score.
    """
    scorer = cached_scorer(
        chunk.root, chunk.model, chunk.model_files, chunk.segmenter.fingerprint()
    )
    for rows in prepare.read_chunk(Catalog(Path(chunk.root)), chunk.piece):
        yield predictions_table(rows, scorer, chunk.segmenter, chunk.model, chunk.content_column)


def predictions_table(
    rows: pa.RecordBatch,
    scorer: "PackedScorer",
    segmenter: Segmenter,
    model: str,
    content_column: str | None,
) -> ScoredRows:
    """Predictions of admitted rows, one row each, in order."""
    from lstm_model.vocabulary import UNKNOWN

    titles = rows.column("title").to_pylist()
    articles = _articles(rows, content_column) if content_column else ()
    contents = article_tokens(scorer.preset, segmenter, articles)
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
        unknown=oov_rates(ids != UNKNOWN, words),
    )
    return ScoredRows(
        pa.table(columns, schema=PREDICTION_SCHEMA), profile, count_missing_articles(contents)
    )


def _articles(rows: pa.RecordBatch, column: str) -> Iterator[Any]:
    """The article of each admitted row, from among its other columns; None where it has none."""
    for extra in rows.column("extra").to_pylist():
        yield json.loads(extra).get(column) if extra else None
