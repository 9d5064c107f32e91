"""Scores chunks of a batch, in workers.

The predictions of a chunk are an artifact of their own below `.work`, so a run that was killed
finds those that were finished. Where a chunk ends depends on the rows alone.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headlines.compute import executors
from headlines.compute.visibility import wait_until_visible
from headlines.labels import LABELS
from headlines.metrics.profile import BINS, EMPTY_PROFILE, Profile, oov_rates, profile_of
from headlines.models import registry
from headlines.models.scorers import cached_scorer, model_files_digest
from headlines.readers.many_titles import readable_texts, record_ids
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import ChunkRef, read_chunk
from headlines.scoring.options import ScoreOptions
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_texts, count_missing_articles
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

if TYPE_CHECKING:
    from lstm_model.packed import PackedScorer

TITLES_AT_ONCE = 500  # whose words are looked up while they are in the processor's cache
PREDICTIONS_FILE = "part.parquet"  # of the predictions of a chunk
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
        without_content: how many were labelled by their titles alone, as they lack the article
            that the model would read.
    """

    table: pa.Table
    profile: Profile
    without_content: int


@dataclass(frozen=True)
class ScoreJob:
    """A chunk and what scores it: small plain data for another process.

    Attributes:
        root: the data root.
        batch: name of the batch.
        chunk: the rows.
        model: version that scores.
        model_key: key of that version's artifact.
        model_files: digest of that version's files, which every worker must have.
        segmenter: cuts the titles, the same for all chunks of the batch.
        content_column: of the articles; None for a model that reads titles alone.
    """

    root: DataRoot
    batch: str
    chunk: ChunkRef
    model: str
    model_key: str
    model_files: str
    segmenter: Segmenter
    content_column: str | None

    def __str__(self) -> str:
        return f"{self.batch} {self.chunk.number + 1}"

    @property
    def recipe(self) -> Recipe:
        """All that decides its predictions."""
        return Recipe(
            "predictions",
            STAGES["predictions"].version,
            (Input(self.chunk.path, self.chunk.key, self.chunk.rows),),
            {
                "model": self.model_key,
                "offset": self.chunk.offset,
                "segmenter": self.segmenter.fingerprint(),
                "content_column": self.content_column,
                # Profiles with other bins cannot be added to those of the other chunks.
                "profile": {name: list(bounds) for name, bounds in BINS.items()},
            },
        )

    @property
    def target(self) -> str:
        """The name of its predictions, until the batch is committed."""
        return self.root.chunk(self.recipe.key)


def make_job(
    root: DataRoot, batch: Batch, chunk: ChunkRef, model: Artifact, options: ScoreOptions
) -> ScoreJob:
    """The job of scoring a chunk with a model."""
    reads_articles = registry.preset_of(model).contents
    return ScoreJob(
        root=root,
        batch=batch.name,
        chunk=chunk,
        model=model.version,
        model_key=model.manifest.key,
        model_files=model_files_digest(model),
        segmenter=options.segmenter,
        content_column=options.read.articles_from if reads_articles else None,
    )


def score_on_worker(job: ScoreJob) -> Artifact:
    """Have a worker score a chunk, and wait until its predictions are visible here.

    Raises:
        DamagedArtifact, InputError: as `iter_predictions` does.
        ClusterError: the cluster does not answer.
    """
    pool = executors.executor(1 if job.chunk.is_only else 2, job.root.settings)
    return wait_until_visible(job.root, pool.submit(score_chunk, job).result())


def score_chunk(job: ScoreJob) -> Artifact:
    """Score a chunk, or reuse its predictions. Runs in a worker.

    Raises:
        DamagedArtifact, InputError: as `iter_predictions` does.
    """

    def write_part(draft: Path) -> dict[str, Any]:
        profile, without_content = EMPTY_PROFILE, 0
        file = draft / PREDICTIONS_FILE
        with pq.ParquetWriter(file, PREDICTION_SCHEMA, compression="zstd") as writer:
            for scored in iter_predictions(job):
                writer.write_table(scored.table)
                profile += scored.profile
                without_content += scored.without_content
        return {
            "scored": profile.rows,
            "without_content": without_content,
            "profile": profile.to_dict(),
        }

    return job.root.store.publish(job.target, job.recipe, write_part)


def iter_predictions(job: ScoreJob) -> Iterator[ScoredRows]:
    """Predictions of a chunk, in order, in tables of some thousand rows.

    Loads the model once a process.

    Raises:
        DamagedArtifact: the chunk is missing or altered.
        InputError: this machine has a different copy of the model.
    """
    fingerprint = job.segmenter.fingerprint()
    scorer = cached_scorer(job.root, job.model, job.model_files, fingerprint)
    for rows in read_chunk(job.root, job.chunk):
        yield predictions_table(rows, scorer, job.segmenter, job.model, job.content_column)


def predictions_table(
    rows: pa.RecordBatch,
    scorer: "PackedScorer",
    segmenter: Segmenter,
    model: str,
    content_column: str | None,
) -> ScoredRows:
    """Predictions of the rows of a chunk, in order."""
    from lstm_model.vocabulary import UNKNOWN

    titles = rows.column("title").to_pylist()
    articles = _articles(rows, content_column) if content_column else ()
    contents = article_texts(scorer.preset, articles)
    read = title_ids(scorer, segmenter, readable_texts(titles), contents)
    ids, words = read[0]  # (words,), (rows,)
    probabilities = scorer.predict_ids(read)
    labels = scorer.labels(probabilities)
    confidence = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    columns = {
        "row": rows.column("row"),
        "record_id": record_ids(titles),
        "id": rows.column("id"),
        "title": rows.column("title"),
        "label": labels,
        "label_name": pa.array(LABELS).take(pa.array(labels)),
        "probability": confidence,
        **{f"p_{name}": probabilities[:, label] for label, name in enumerate(LABELS)},
        "model": pa.repeat(model, len(titles)),
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


def title_ids(
    scorer: "PackedScorer",
    segmenter: Segmenter,
    titles: Sequence[str],
    articles: Sequence[str] | None,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What the scorer reads of titles and articles: see `PackedScorer.predict_ids`."""
    portions = []
    for start in range(0, max(1, len(titles)), TITLES_AT_ONCE):
        some = slice(start, start + TITLES_AT_ONCE)
        words = segmenter.cut_joined(titles[some])
        contents = None if articles is None else segmenter.cut_joined(articles[some])
        portions.append(scorer.ids(words, contents))
    return [
        (np.concatenate(ids), np.concatenate(counts))
        for ids, counts in (zip(*of_input, strict=True) for of_input in zip(*portions, strict=True))
    ]


def _articles(rows: pa.RecordBatch, column: str) -> Iterator[Any]:
    """The article of each row, from its other columns; None where it has none."""
    for extra in rows.column("extra").to_pylist():
        yield json.loads(extra).get(column) if extra else None
