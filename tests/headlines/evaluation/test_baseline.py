"""The linear baseline: its features and predictions, and the comparison with a model."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from headlines.corpus.dataset import read_corpus
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.baseline import (
    Baseline,
    Texts,
    compare_with_baseline,
    extract_features,
    fit_and_predict,
    fit_baseline,
)
from headlines.evaluation.evaluate import evaluate
from headlines.labels import LABELS as NAMES
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from lstm_model.presets import PRESETS

GOOD, PLAIN, BAD = ["获奖", "喜讯"], ["公告", "天气"], ["车祸", "火灾"]
TRAIN = Texts([[f"某地{n}", word] for n in range(10) for word in (*GOOD, *PLAIN, *BAD)])
LABELS = np.array([0, 0, 1, 1, 2, 2] * 10)


def test_extracted_features() -> None:
    assert list(extract_features(["车祸", "中", "受伤"])) == [
        *("word 车祸", "word 中", "word 受伤", "pair 车祸 中", "pair 中 受伤"),
        *("run 车", "run 祸", "run 中", "run 受", "run 伤"),
        *("run 车祸", "run 祸中", "run 中受", "run 受伤"),
        *("run 车祸中", "run 祸中受", "run 中受伤"),
    ]
    assert list(extract_features([])) == []


def test_known_words_decide() -> None:
    found = fit_and_predict(
        TRAIN, LABELS, Texts([["他", "获奖"], ["天气", "好"], ["又", "见", "火灾"]])
    )
    assert (found.labels.dtype, found.probabilities.dtype) == (np.int8, np.float32)
    assert found.labels.tolist() == found.probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    assert found.probabilities.sum(axis=1) == pytest.approx(1)


def test_unseen_words_are_read_by_their_characters() -> None:
    found = fit_and_predict(TRAIN, LABELS, Texts([["火灾案"], ["获奖者"], ["天气图"]]))
    assert found.labels.tolist() == [2, 0, 1]


def test_the_order_of_words_counts() -> None:
    orders = [["甲", "乙"], ["乙", "甲"]]
    found = fit_and_predict(Texts(orders * 10), np.array([0, 2] * 10), Texts(orders))
    assert found.labels.tolist() == [0, 2]
    assert (found.probabilities[:, 1] == 0).all()  # train has no such label


def test_a_rare_class_is_predicted() -> None:
    # Four of ten headlines with that word are positive: few, but all that there are.
    train = [["通知"]] * 60 + [["通知", "获奖"]] * 10
    labels = np.array([1] * 66 + [0] * 4)
    found = fit_and_predict(Texts(train), labels, Texts([["获奖"], ["通知"]]))
    assert found.labels.tolist() == [0, 1]
    assert found.probabilities[0, 0] < 0.5  # class weights do not raise the probabilities


def test_a_single_class_is_always_predicted() -> None:
    found = fit_and_predict(TRAIN, np.full(60, 2), Texts([["获奖"], ["天气"]]))
    assert found.labels.tolist() == [2, 2]
    assert found.probabilities.tolist() == [[0, 0, 1]] * 2


def test_a_long_article_does_not_drown_its_title() -> None:
    # Each block is normalised by itself: a word of the title weighs as much as without an article.
    noise = [[f"词{n % 7}"] * 50 for n in range(60)]
    train = Texts(TRAIN.titles, noise)
    found = fit_and_predict(train, LABELS, Texts([["获奖"], ["天气"], ["火灾"]], noise[:3]))
    assert found.labels.tolist() == [0, 1, 2]


def test_an_article_decides_where_the_title_says_nothing() -> None:
    articles = [["本报讯", *words] for words in TRAIN.titles]
    train = Texts([["消息"]] * 60, articles)
    texts = Texts([["消息"]] * 3, [["获奖"], ["天气"], ["火灾"]])
    assert fit_and_predict(train, LABELS, texts).labels.tolist() == [0, 1, 2]


def test_articles_too_few_for_a_block_are_left_out() -> None:
    train = Texts([["获奖"], ["天气"]], [["甲"], ["乙"]])
    found = fit_and_predict(train, np.array([0, 1]), Texts([["获奖"]], [["乙"]]))
    assert found.labels.tolist() == [0]


def test_the_same_headlines_give_the_same_labels() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"词{n}" for n in range(300)])
    train = [list(rng.choice(words, 8)) for _ in range(400)]
    held_out = [list(rng.choice(words, 8)) for _ in range(400)]
    labels = rng.integers(0, 3, 400)
    first = fit_and_predict(Texts(train), labels, Texts(held_out))
    assert set(first.labels.tolist()) == {0, 1, 2}
    second = fit_and_predict(Texts(train), labels, Texts(held_out))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.probabilities, second.probabilities)


def news(root: DataRoot, path: Path, rows: list[tuple[str, int | str, str]]) -> Artifact:
    """A corpus with these titles, labels and splits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("title", "label", "split"), *rows])
    return ingest(root, "news", str(path))


@pytest.fixture
def corpus(root: DataRoot, corpus_file: Path) -> Artifact:
    return ingest(root, "news", str(corpus_file))


def test_it_labels_every_held_out_headline_and_is_fitted_once(
    root: DataRoot, corpus: Artifact
) -> None:
    tokens = segment_corpus(root, corpus)
    first = fit_baseline(root, corpus, tokens, PRESETS["fast"])
    assert first.artifact is not None
    assert not first.artifact.reused

    rows = read_corpus(corpus, ["row", "split", "label"])
    rows = rows[rows["split"] != "train"].set_index(["split", "row"])["label"]
    stored = pd.read_parquet(first.artifact.directory / "predictions.parquet")
    predictions = stored.set_index(["split", "row"])["prediction"]
    assert predictions.sort_index().tolist() == rows.sort_index().tolist()  # as the words say
    assert first.artifact.counts == {"trained_on": 54, "rows": 36}
    assert [path.name for path in first.artifact.files()] == ["predictions.parquet"]

    second = fit_baseline(root, corpus, tokens, PRESETS["fast"])
    assert second.artifact is not None
    assert second.artifact.reused
    assert second.inputs() == first.inputs()


def test_damaged_predictions_are_rebuilt(root: DataRoot, corpus: Artifact) -> None:
    tokens = segment_corpus(root, corpus)
    first = fit_baseline(root, corpus, tokens, PRESETS["fast"]).artifact
    assert first is not None
    path = first.directory / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    second = fit_baseline(root, corpus, tokens, PRESETS["fast"]).artifact
    assert second is not None
    assert not second.reused
    assert second.manifest.files == first.manifest.files


def test_it_does_not_train_on_held_out_titles(root: DataRoot, tmp_path: Path) -> None:
    held_out = "公告公告公告"
    rows = [("某地获奖", 0, "train"), ("某地公告", 1, "train"), ("某地火灾", 2, "train")]
    leak = [(held_out, 2, "train"), (held_out, 1, "dev")]  # train has another label for it
    corpus = news(root, tmp_path / "news.csv", [*rows, *leak])
    found = fit_baseline(root, corpus, segment_corpus(root, corpus), PRESETS["fast"])
    assert found.artifact is not None
    assert found.artifact.counts["trained_on"] == 3
    stored = pd.read_parquet(found.artifact.directory / "predictions.parquet")
    assert stored["prediction"].tolist() == [1]


def test_a_corpus_without_training_rows_has_no_baseline(root: DataRoot, tmp_path: Path) -> None:
    corpus = news(root, tmp_path / "news.csv", [("某地公告", 1, "dev"), ("路线", "", "train")])
    found = fit_baseline(root, corpus, segment_corpus(root, corpus), PRESETS["fast"])
    assert (found.artifact, found.inputs()) == (None, ())
    assert found.missing_reason == "the split 'train' has no labelled headlines"


def test_an_evaluation_without_scikit_learn_is_redone_with_it(
    root: DataRoot, corpus: Artifact, publish_model: Callable[..., Artifact]
) -> None:
    model, tokens = publish_model(root, "m"), segment_corpus(root, corpus)
    code = """
import sys
sys.modules["sklearn"] = None  # imports fail as if it were not installed
from headlines.evaluation import evaluate; from headlines.models import registry
from headlines.storage.data_root import DataRoot
from headlines.corpus.dataset import ensure
from headlines.corpus.tokens import segment_corpus

root = DataRoot.open(sys.argv[1])
corpus = ensure(root, "news")
tokens = segment_corpus(root, corpus)
print(evaluate.evaluate(root, registry.open_model(root, "m"), corpus, tokens).directory)
"""
    command = [sys.executable, "-c", code, str(root.store.directory)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    without = Path(run.stdout.splitlines()[-1])
    assert json.loads((without / "baseline.json").read_text("utf-8")) == {
        "measured": False,
        "why_not": "scikit-learn is not installed: `pip install scikit-learn`, and evaluate again",
        "beaten": None,
    }

    evaluation = evaluate(root, model, corpus, tokens)
    assert evaluation.directory != without
    found = json.loads((evaluation.directory / "baseline.json").read_text("utf-8"))
    assert found["measured"]
    assert found["dev"]["all"]["accuracy"] == 1.0
    assert evaluation.counts["baseline_beaten"] is found["beaten"] is False
    assert evaluation.counts["baseline_macro_f1"] == 1.0
    behaviour = json.loads((evaluation.directory / "behaviour.json").read_text("utf-8"))
    assert evaluation.counts["behaviour_passed"] == behaviour["passed"]
    assert behaviour["checks"][0]["rows"] == corpus.counts["splits"]["dev"]["rows"]


def predicted(labels: list[int], confidence: float = 0.8) -> dict[str, Any]:
    """These labels and their probabilities, as columns."""
    others = (1 - confidence) / 2
    return {"prediction": labels} | {
        f"p_{name}": np.where(np.array(labels) == label, confidence, others)
        for label, name in enumerate(NAMES)
    }


@pytest.fixture
def fixed(root: DataRoot) -> Callable[[dict[str, list[int]]], Baseline]:
    """Publishes a baseline with these predictions for the rows of each split."""

    def publish_fixed(predictions: dict[str, list[int]]) -> Baseline:
        frame = pd.concat(
            pd.DataFrame({"split": split, "row": range(len(labels)), **predicted(labels)})
            for split, labels in predictions.items()
        )

        def write(draft: Path) -> dict[str, Any]:
            frame.to_parquet(draft / "predictions.parquet")
            return {}

        recipe = Recipe("baseline", 1, (), predictions)
        return Baseline(root.store.publish(root.baseline(recipe.key), recipe, write))

    return publish_fixed


def model_frame(
    split: str,
    labels: list[int],
    predictions: list[int],
    leaked: int = 0,
    confidence: float = 0.8,
) -> pd.DataFrame:
    """Predictions of an evaluation; the first `leaked` rows are leaked."""
    rows = np.arange(len(labels))
    columns = {"row": rows, "label": labels, "leaked": rows < leaked}
    return pd.DataFrame({"split": split, **columns, **predicted(predictions, confidence)})


def test_a_better_model_beats_the_baseline(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    truth = [0, 1, 2] * 20
    theirs = [0, 1, 1] * 20
    rows = pd.concat([model_frame("dev", truth, truth), model_frame("test", truth[:6], theirs[:6])])
    found = compare_with_baseline(fixed({"dev": theirs, "test": theirs[:6]}), rows.iloc[::-1])

    dev = found["dev"]["all"]
    assert dev["accuracy"] == pytest.approx(2 / 3)
    assert dev["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    low, high = dev["intervals"]["macro_f1"]
    assert low <= dev["macro_f1"] <= high
    assert dev["cross_entropy"] == pytest.approx(-(2 * np.log(0.8) + np.log(0.1)) / 3)
    difference = dev["difference"]
    macro_f1, cross_entropy = difference["macro_f1"], difference["cross_entropy"]
    assert macro_f1["difference"] == pytest.approx(1 - dev["macro_f1"])
    assert 0 < macro_f1["low"] < macro_f1["difference"] < macro_f1["high"]
    assert cross_entropy["difference"] == pytest.approx(-np.log(0.8) - dev["cross_entropy"])
    assert macro_f1["p"] < 0.001
    assert cross_entropy["p"] < 0.001
    assert difference["accuracy"]["difference"] == pytest.approx(1 / 3)
    assert found["beaten"] is True
    same = found["test"]["all"]["difference"]
    for metric in ("cross_entropy", "macro_f1"):
        assert same[metric] == {"difference": 0, "low": 0, "high": 0, "p": 1}
    json.dumps(found, allow_nan=False)


def test_one_more_hit_does_not_beat_the_baseline(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    truth = [0, 1, 2] * 20
    found = compare_with_baseline(fixed({"dev": [1, *truth[1:]]}), model_frame("dev", truth, truth))
    assert found["dev"]["all"]["difference"]["macro_f1"]["difference"] > 0
    assert found["beaten"] is False


def test_a_lower_cross_entropy_alone_does_not_beat_it(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    truth = [0, 1, 2] * 100
    ours, theirs = [1, 2, *truth[2:]], [1, *truth[1:]]
    rows = model_frame("dev", truth, ours, confidence=0.95)
    difference = compare_with_baseline(fixed({"dev": theirs}), rows)["dev"]["all"]["difference"]
    assert difference["cross_entropy"]["p"] < 0.05
    assert difference["macro_f1"]["difference"] < 0
    assert difference["beats"] is False


def test_leaked_headlines_do_not_beat_the_baseline(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    truth = [0, 1, 2] * 20
    theirs = [1, 2, 0] * 10 + truth[30:]
    found = compare_with_baseline(
        fixed({"dev": theirs}), model_frame("dev", truth, truth, leaked=30)
    )
    assert found["dev"]["all"]["difference"]["macro_f1"]["p"] < 0.001
    assert found["dev"]["without_leaked_titles"]["rows"] == 30
    assert found["beaten"] is False


def test_without_dev_it_is_unknown_whether_it_is_beaten(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    found = compare_with_baseline(fixed({"test": [0, 1]}), model_frame("test", [0, 1], [0, 1]))
    assert found["beaten"] is None
    assert found["dev"]["all"]["difference"] is None
    json.dumps(found, allow_nan=False)


def test_a_headline_without_a_baseline_label_is_an_error(
    fixed: Callable[[dict[str, list[int]]], Baseline],
) -> None:
    with pytest.raises(KeyError):
        compare_with_baseline(fixed({"dev": [0, 1]}), model_frame("dev", [0, 1, 2], [0, 1, 2]))
