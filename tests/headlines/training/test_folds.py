"""Folds of train: each headline is labelled once, by a model that has not seen it."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import labelled_rows
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.models import registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.training.folds import measure_folds, publish_folds
from headlines.training.measure import Fold, fold_numbers, train_and_measure
from lstm_model.presets import PRESETS

WORDS = ("喜讯获奖", "公告路线", "火灾受伤")


def write_news(path: Path, rows: list[tuple[str, int, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("title", "label", "split"), *rows])
    return path


def news(root: DataRoot, path: Path, rows: int = 60, source: Path | None = None) -> Artifact:
    """A corpus whose titles tell their labels, but for row 7, which is labelled wrong.

    `source` is a folder with `path` and other files; None for `path` alone.
    """
    titles = [(f"{WORDS[row % 3]}{row}", row % 3, "train") for row in range(rows)]
    titles[7] = (titles[7][0], 2, "train")
    dev = [(f"{WORDS[row % 3]}之{row}", row % 3, "dev") for row in range(9)]
    write_news(path, [*titles, *dev])
    return ingest(root, "news", str(source or path))


def test_a_headline_is_in_one_fold_and_folds_are_of_a_size() -> None:
    rng = np.random.default_rng(0)
    ids = [rng.bytes(16).hex() for _ in range(4000)]
    numbers = fold_numbers([*ids, *ids[:10]], 4)
    assert numbers[:10].tolist() == numbers[4000:].tolist()
    sizes = Counter(numbers[:4000].tolist())
    assert sorted(sizes) == [0, 1, 2, 3]
    assert max(abs(size - 1000) for size in sizes.values()) < 5 * np.sqrt(1000)


@pytest.mark.integration
@pytest.mark.usefixtures("small_preset")
def test_each_row_is_labelled_by_a_model_without_it(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    taught = [f"{WORDS[0]}又{n},1,0,0\n" for n in range(6)]  # trained on, and not measured
    soft = "".join(["title,p_positive,p_neutral,p_negative\n", *taught])
    (folder / "soft.csv").write_text(soft, encoding="utf-8")
    corpus = news(root, folder / "news.csv", source=folder)
    tokens = segment_corpus(root, corpus)
    preset = replace(PRESETS["small"], name="folds", epochs=8, learning_rate=0.02)
    result = measure_folds(root, corpus, tokens, preset, 2)
    parts = [
        train_and_measure(root, corpus, tokens, preset, Fold(number, 2)) for number in range(2)
    ]
    assert all(part.reused for part in parts)
    assert publish_folds(root, corpus, preset, parts).reused
    assert result.counts["folds"][1]["rows"] == parts[1].counts["rows"]
    assert result.counts["seconds"] == sum(part.counts["seconds"] for part in parts)
    predictions = pd.read_parquet(result.directory / "predictions.parquet")
    rows = labelled_rows(corpus, "train")
    assert predictions["row"].tolist() == rows["row"].tolist() == list(range(60))
    assert predictions["label"].tolist() == rows["label"].tolist()
    assert predictions["fold"].tolist() == fold_numbers(rows["record_id"].tolist(), 2).tolist()
    wrong = predictions[predictions["prediction"] != predictions["label"]]
    assert wrong["row"].tolist() == [7]  # a model that had seen its label might have learned it
    doubted = pd.read_parquet(result.directory / "doubted.parquet")
    assert doubted.iloc[0][["row", "label_name", "suggestion_name"]].tolist() == [
        7,
        "negative",
        "neutral",
    ]
    assert registry.is_empty(root)  # no model, and no champion
    assert not list(root.store.work.glob("trial-*/"))


@pytest.fixture
def parts(root: DataRoot) -> list[Artifact]:
    """Predictions of two folds of twelve rows, as trainings would publish them."""
    rng = np.random.default_rng(1)
    published = []
    for number in range(2):
        probabilities = rng.dirichlet(np.ones(3), 6).astype(np.float32)
        frame = pd.DataFrame(
            {
                "row": np.arange(6) * 2 + number,
                "label": rng.integers(0, 3, 6).astype(np.int8),
                "prediction": probabilities.argmax(axis=1).astype(np.int8),
                **{f"p_{name}": probabilities[:, n] for n, name in enumerate(LABELS)},
            }
        )

        def write(draft: Path, frame: pd.DataFrame = frame) -> dict[str, Any]:
            frame.to_parquet(draft / "predictions.parquet", index=False)
            return {"rows": 6, "accuracy": 0.5, "macro_f1": 0.5, "cross_entropy": 1.0}

        recipe = Recipe("fold", 1, (), {"fold": number})
        published.append(root.store.publish(root.fold(recipe.key), recipe, write))
    return published


def test_metrics_are_those_of_all_folds_together(
    root: DataRoot, tmp_path: Path, parts: list[Artifact]
) -> None:
    corpus = news(root, tmp_path / "news.csv", rows=12)
    result = publish_folds(root, corpus, PRESETS["default"], parts)
    frame = pd.concat(pd.read_parquet(part.directory / "predictions.parquet") for part in parts)
    probabilities = frame[[f"p_{name}" for name in LABELS]]
    counts = result.counts
    assert counts["rows"] == 12
    assert counts["accuracy"] == (frame["label"] == frame["prediction"]).mean()
    assert counts["cross_entropy"] == pytest.approx(
        reference.log_loss(frame["label"], probabilities, labels=[0, 1, 2]), rel=1e-6
    )
    assert [part["rows"] for part in counts["folds"]] == [6, 6]
    metrics = json.loads((result.directory / "metrics.json").read_text("utf-8"))
    assert metrics["calibration"]["nll"] == counts["cross_entropy"]


def test_doubted_labels_are_listed_with_their_titles(
    root: DataRoot, tmp_path: Path, parts: list[Artifact]
) -> None:
    corpus = news(root, tmp_path / "news.csv", rows=12)
    result = publish_folds(root, corpus, PRESETS["default"], parts)
    doubted = pd.read_csv(result.directory / "doubted.csv")
    assert len(doubted) == result.counts["doubted"] > 0
    titles = read_corpus(corpus, ["row", "title"]).set_index("row")["title"]
    assert doubted["title"].tolist() == titles.loc[doubted["row"]].tolist()


def test_too_many_folds_for_a_corpus_are_refused(root: DataRoot, tmp_path: Path) -> None:
    corpus = news(root, tmp_path / "news.csv", rows=8)
    tokens = segment_corpus(root, corpus)
    numbers = fold_numbers(labelled_rows(corpus, "train")["record_id"].tolist(), 20)
    [empty, *_] = sorted(set(range(20)) - set(numbers.tolist()))
    with pytest.raises(InputError, match="8 headlines of train are too few for 20 folds"):
        train_and_measure(root, corpus, tokens, PRESETS["notebook"], Fold(empty, 20))
