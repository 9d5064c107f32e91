"""Fixtures of the reports: an evaluated model, and nights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.evaluate import evaluate
from headlines.labels import LABELS
from headlines.metrics.drift import DriftThresholds, drift
from headlines.metrics.profile import EMPTY_PROFILE, Profile, profile_of
from headlines.nightly.history import NightRecord, NightSummary
from headlines.readers.titles import record_id
from headlines.scoring.results import BatchResult
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.factories import (
    LABEL_WORDS,
    publish_model,
    random_bundle,
    small_preset,
    write_corpus,
)

HOSTILE = "<script>alert(1)</script>车祸<img src=x onerror=alert(2)>"


@dataclass(frozen=True)
class Evaluated:
    """A model with random weights, its corpus and its evaluation."""

    root: DataRoot
    corpus: Artifact
    model: Artifact
    evaluation: Artifact


@pytest.fixture(scope="session")
def evaluate_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Evaluated]:
    """Evaluates a model on a small corpus with the given splits."""

    def evaluated_on(*splits: str, language: str = "en") -> Evaluated:
        folder = tmp_path_factory.mktemp("evaluated")
        root = DataRoot.open(folder / "data", Settings(language=language))
        file = write_corpus(folder / "news.csv", 300, cycle=("train", "dev", "test"), splits=splits)
        corpus = ingest(root, "news", str(file))
        tokens = segment_corpus(root, corpus)
        model = _publish_model(root, corpus, tokens)
        return Evaluated(root, corpus, model, evaluate(root, model, corpus, tokens))

    return evaluated_on


@pytest.fixture(scope="session")
def evaluated(evaluate_on: Callable[..., Evaluated]) -> Evaluated:
    """The evaluation of a model on a corpus of all splits; tests only read it."""
    return evaluate_on("train", "dev", "test")


@pytest.fixture(scope="session")
def evaluated_in_chinese(evaluate_on: Callable[..., Evaluated]) -> Evaluated:
    """The same with a report in Chinese."""
    return evaluate_on("train", "dev", "test", language="zh")


def _publish_model(root: DataRoot, corpus: Artifact, tokens: Artifact) -> Artifact:
    metrics = ("loss", "accuracy", "dev_loss", "dev_accuracy", "dev_macro_f1")
    history = [
        {"epoch": epoch, **{name: 1 / (epoch + index) for index, name in enumerate(metrics)}}
        for epoch in (1, 2, 3)
    ]
    words = [word for words in LABEL_WORDS for word in words]
    return publish_model(
        root,
        "2026-11-01-abcdef01",
        (corpus.as_source(), tokens.as_source()),
        segmenter=Segmenter(),
        bundle=random_bundle(
            small_preset(), words, seed=3, scale=2.0, history=history, best_epoch=2
        ),
        counts={"parameters": 1234567, "vocabulary": 11},
        versions={"tensorflow": "2.21.0"},
    )


def _profile(rows: int, seed: int, longest: int = 40) -> Profile:
    rng = np.random.default_rng(seed)
    return profile_of(
        rng.choice(3, rows, p=(0.1, 0.5, 0.4)),
        rng.uniform(0.4, 1, rows),
        rng.integers(8, longest, rows),
        rng.uniform(0, 0.6, rows),
    )


@pytest.fixture
def publish_predictions(tmp_path: Path) -> Callable[[str, list[tuple[str, str, float]]], Path]:
    """Writes titles, labels and probabilities as the predictions of a batch."""

    def write(batch: str, rows: list[tuple[str, str, float]]) -> Path:
        directory = tmp_path / batch
        directory.mkdir()
        titles, labels, probabilities = zip(*rows, strict=True)
        table = pa.table(
            {
                "record_id": [record_id(title) for title in titles],
                "title": titles,
                "label_name": labels,
                "probability": pa.array(probabilities, pa.float32()),
            }
        )
        pq.write_table(table, directory / "part-00000.parquet")
        return directory

    return write


@pytest.fixture
def night_of(
    publish_predictions: Callable[[str, list[tuple[str, str, float]]], Path],
) -> Callable[..., NightSummary]:
    """Makes a night with a scored batch, a stopped and a settling one, and `rows` headlines.

    Without rows nothing was due.
    """

    def make(
        rows: int = 2000,
        before: int = 3,
        limits: DriftThresholds = DriftThresholds(),  # noqa: B008
    ) -> NightSummary:
        profile = _profile(rows, 9, longest=34) if rows else EMPTY_PROFILE
        reference = _profile(900, 1)
        batches = []
        if rows:
            words = [words[0] for words in LABEL_WORDS]
            titles = [
                (f"某地{words[n % 3]}第{n}号", LABELS[n % 3], 0.4 + n / 100) for n in range(40)
            ]
            predictions = publish_predictions("好.csv", [(HOSTILE, "negative", 0.35), *titles])
            batches = [
                BatchResult("坏.csv", "stopped", message=f"{HOSTILE} is not a headline"),
                BatchResult(
                    "好.csv", "scored", str(predictions), rows + 2, rows, 2,
                    {"title is blank": 2}, profile.labels, "m",
                ),
                BatchResult("late.csv", "settling", message="changed 20 s ago"),
            ]  # fmt: skip
        return NightSummary(
            model="2026-11-01-abcdef01",
            batches=batches,
            reused=10_000,
            left_out={"of other days": 0, "without a day": 3},
            skipped={"笔记.docx": "its ending is .docx"} if rows else {},
            profile=profile,
            reference=reference,
            before=[
                NightRecord(f"2026-11-{10 + day}T183000Z", "m", _profile(700, 20 + day))
                for day in range(before)
            ],
            drift=drift(profile, reference, limits),
        )

    return make
