"""The steps of the flows, without Prefect."""

import csv
from pathlib import Path

from headlines.corpus import dataset, ingest, tokens
from headlines.errors import InputError
from headlines.evaluation import evaluate
from headlines.models import presets
from headlines.scoring.batch import Batch
from headlines.scoring.options import ScoreOptions
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import train
from tests.score import run, score_options

HALF = score_options(max_reject_rate=0.5, chunk_rows=4)


def train_first(root: DataRoot, corpus_file: Path, preset: str) -> Artifact:
    """A corpus, its words, and a first model of it, which becomes the champion."""
    ingested = ingest.ingest(root, "news", str(corpus_file))
    words = tokens.segment_corpus(root, ingested)
    return train.train(root, ingested, words, presets.resolve_preset(preset))


def evaluate_model(root: DataRoot, model: Artifact) -> Artifact:
    """The evaluation of a model on that corpus."""
    ingested = dataset.ensure(root, "news")
    return evaluate.evaluate(root, model, ingested, tokens.segment_corpus(root, ingested))


def score(
    root: DataRoot, batch: Batch, options: ScoreOptions = HALF, *, rescore: bool = False
) -> str:
    """Score a batch, or stop it; return the outcome."""
    try:
        return run(root, batch, options, rescore=rescore).outcome
    except InputError:
        return "stopped"


def write_titles(path: Path, titles: list[str]) -> Path:
    """A batch of headlines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "source"])
        writer.writerows([title, "搜狐"] for title in titles)
    return path
