"""The steps of the flows, without Prefect: what a data root in a bucket is to be good for."""

import csv
from pathlib import Path

from headlines.corpus import ingest, tokens
from headlines.errors import InputError
from headlines.evaluation import evaluate
from headlines.models import champion, presets
from headlines.readers import ReadOptions
from headlines.scoring import batch_state, commit, prepare, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState
from headlines.scoring.read_chunks import chunk_refs
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from headlines.training import train


def train_first(catalog: Catalog, corpus_file: Path, preset: str) -> Artifact:
    """A corpus, its words, and a first model of it, which becomes the champion."""
    ingested = ingest.ingest(catalog, "news", str(corpus_file))
    words = tokens.segment_corpus(catalog, ingested)
    return train.train(catalog, ingested, words, presets.resolve_preset(preset))


def evaluate_model(catalog: Catalog, model: Artifact) -> Artifact:
    """The evaluation of a model on that corpus."""
    ingested = ingest.ensure(catalog, "news")
    return evaluate.evaluate(catalog, model, ingested, tokens.segment_corpus(catalog, ingested))


def score(catalog: Catalog, batch: Batch, rescore: bool = False) -> str:
    """Score a batch, or stop it: what became of it."""
    model = champion.open_champion(catalog)
    with batch_state.claim(catalog, batch):
        state = batch_state.batch_state(catalog, batch)
        if state is BatchState.FAILED or (state is BatchState.SCORED and not rescore):
            return str(state.value)
        try:
            admitted = prepare.prepare_batch(catalog, batch, ReadOptions())
            prepare.check_reject_rate(batch, admitted, 0.5)
        except InputError as error:
            commit.record_failure(catalog, batch, ReadOptions(), error)
            return "stopped"
        segmenter = Segmenter.from_environment()
        pieces = chunk_refs(admitted)
        chunks = [
            score_chunks.make_job(catalog, batch, one, model, segmenter, ReadOptions())
            for one in pieces
        ]
        parts = [score_chunks.score_chunk(chunk) for chunk in chunks]
        predictions = commit.commit(catalog, batch, admitted, model, parts)
        return "reused" if predictions.reused else "scored"


def write_titles(path: Path, titles: list[str]) -> Path:
    """A batch of headlines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "source"])
        writer.writerows([title, "搜狐"] for title in titles)
    return path
