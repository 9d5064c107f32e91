"""The steps of the flows, without Prefect: what a data root in a bucket is to be good for."""

import csv
from pathlib import Path

from headlines import admission, batches, champion, corpus, evaluation, scoring, tokens, training
from headlines.artifact import Artifact
from headlines.batch_reading import pieces_of
from headlines.batches import Batch, State
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.segmentation import Segmenter
from headlines.sources import Reading


def train(catalog: Catalog, corpus_file: Path, preset: str) -> Artifact:
    """A corpus, its words, and a first model of it, which becomes the champion."""
    ingested = corpus.ingest(catalog, "news", str(corpus_file))
    words = tokens.segment_corpus(catalog, ingested)
    return training.train(catalog, ingested, words, training.preset_named(preset))


def evaluate(catalog: Catalog, model: Artifact) -> Artifact:
    """The evaluation of a model on that corpus."""
    ingested = corpus.ensure(catalog, "news")
    return evaluation.evaluate(catalog, model, ingested, tokens.segment_corpus(catalog, ingested))


def score(catalog: Catalog, batch: Batch, rescore: bool = False) -> str:
    """Score a batch, or stop it: what became of it."""
    model = champion.current(catalog)
    with batches.claimed(catalog, batch):
        state = batches.state_of(catalog, batch)
        if state is State.FAILED or (state is State.SCORED and not rescore):
            return str(state.value)
        try:
            admitted = admission.admit(catalog, batch, Reading())
            admission.check_reject_rate(batch, admitted, 0.5)
        except InputError as error:
            scoring.stop(catalog, batch, Reading(), error)
            return "stopped"
        segmenter = Segmenter.from_environment()
        pieces = pieces_of(admitted)
        chunks = [
            scoring.chunk_of(catalog, batch, one, model, segmenter, Reading()) for one in pieces
        ]
        parts = [scoring.score_chunk(chunk) for chunk in chunks]
        predictions = scoring.commit(catalog, batch, admitted, model, parts)
        return "reused" if predictions.reused else "scored"


def write_titles(path: Path, titles: list[str]) -> Path:
    """A batch of headlines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "source"])
        writer.writerows([title, "搜狐"] for title in titles)
    return path
