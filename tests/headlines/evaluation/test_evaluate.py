"""The evaluation: every held-out headline, and metrics that follow from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from headlines.corpus.dataset import ensure
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.evaluate import evaluate, reference_profile
from headlines.models.presets import resolve_preset
from headlines.review.selection import ReviewSize
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.train import train
from tests.factories import make_labels, publish_model, publish_predictions, write_corpus


def check_books(numbers: dict[str, Any], chosen: pd.DataFrame) -> None:
    """Check that all metrics of a subset cover exactly its rows."""
    for table in (numbers["by_length"], numbers["by_unknown"], numbers["calibration"]["bins"]):
        assert sum(one["rows"] for one in table) == len(chosen)
    short = chosen["title"].str.len() <= 10
    assert numbers["by_length"][0]["rows"] == short.sum()
    low, high = numbers["intervals"]["accuracy"]
    assert low <= numbers["accuracy"] <= high
    probabilities = chosen[["p_positive", "p_neutral", "p_negative"]].to_numpy()
    loss = log_loss(chosen["label"], probabilities.astype(float), labels=[0, 1, 2])
    assert numbers["calibration"]["nll"] == pytest.approx(loss, abs=1e-5)


@pytest.mark.usefixtures("small_preset")
def test_the_metrics_follow_from_the_headlines(
    root: DataRoot, corpus_file: Path, tmp_path: Path
) -> None:
    with corpus_file.open("a", encoding="utf-8") as file:
        file.write("某地获奖第0号,2,test\n=1+1的算式,1,test\n<script>alert(1)</script>,0,dev\n")
    corpus = ingest(root, "news", str(corpus_file))
    tokens = segment_corpus(root, corpus)
    model = train(root, corpus, tokens, resolve_preset("small"))

    evaluation = evaluate(root, model, corpus, tokens)

    metrics = json.loads((evaluation.directory / "metrics.json").read_text("utf-8"))
    checked = pq.read_table(evaluation.directory / "output_check.parquet").to_pandas()
    splits = corpus.counts["splits"]
    assert len(checked) == splits["dev"]["rows"] + splits["test"]["rows"]
    for split in ("dev", "test"):
        rows = checked[checked["split"] == split]
        for part, chosen in (("all", rows), ("without_leaked_titles", rows[~rows["leaked"]])):
            numbers = metrics[split][part]
            truth, said = chosen["label"], chosen["prediction"]
            assert numbers["rows"] == len(chosen)
            assert numbers["accuracy"] == pytest.approx(accuracy_score(truth, said))
            macro = f1_score(truth, said, average="macro", labels=[0, 1, 2], zero_division=0)
            assert numbers["macro_f1"] == pytest.approx(macro)
            check_books(numbers, chosen)
    assert metrics["test"]["all"]["rows"] == metrics["test"]["without_leaked_titles"]["rows"] + 1
    known = checked[(checked["split"] == "dev") & ~checked["leaked"]]
    reference = reference_profile(evaluation)
    assert reference.rows == len(known) < splits["dev"]["rows"] + splits["test"]["rows"]
    assert reference.labels == {
        name: (known["prediction_name"] == name).sum() for name in reference.labels
    }
    assert reference.means == pytest.approx(
        {
            "confidence": known["probability"].mean(),
            "length": known["title"].str.len().mean(),
            "unknown": known["unknown"].mean(),
        }
    )

    mistakes = pd.read_csv(evaluation.directory / "mistakes.csv")
    wrong = checked[checked["label"] != checked["prediction"]]
    assert sorted(mistakes["row"]) == sorted(wrong["row"])
    assert mistakes["probability"].is_monotonic_decreasing
    table = (evaluation.directory / "output_check.csv").read_text("utf-8-sig")
    assert "'=1+1的算式" in table  # not run by a spreadsheet

    doubts = pd.read_csv(evaluation.directory / "doubted.csv")
    assert len(doubts) == evaluation.counts["doubted"]
    by_place = checked.set_index(["split", "row"])
    for doubt in doubts.itertuples():
        there = by_place.loc[(doubt.split, doubt.row)]
        assert there["label"] == doubt.label
        assert there[f"p_{doubt.label_name}"] == pytest.approx(doubt.p_label)
        assert there[f"p_{doubt.suggestion_name}"] == pytest.approx(doubt.p_suggestion)
    short = evaluation.counts["metrics"]["dev"]["all"]
    assert short["intervals"]["accuracy"] == metrics["dev"]["all"]["intervals"]["accuracy"]

    report = (evaluation.directory / "report.html").read_text("utf-8")
    assert "<script>alert" not in report

    assert evaluate(root, model, corpus, tokens).reused


def test_unknown_words_are_counted_by_their_share(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    titles = ["股市大涨", "股市，下跌", "地震火山", "火山"]  # the model knows all words but 火山
    corpus, tokens = held_out(root, "dev", titles)
    evaluation = evaluate(root, publish_model(root, "m"), corpus, tokens)
    checked = pq.read_table(evaluation.directory / "output_check.parquet").to_pandas()
    shares = dict(zip(checked["title"], checked["unknown"], strict=True))
    assert shares["股市大涨"] == 0
    assert shares["股市，下跌"] == pytest.approx(1 / 3)
    assert shares["地震火山"] == 0.5
    assert shares["火山"] == 1


def test_a_split_without_rows_has_no_metrics(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    corpus, tokens = held_out(root, "dev", ["股市大涨", "某地地震"])
    evaluation = evaluate(root, publish_model(root, "m"), corpus, tokens)
    metrics = json.loads((evaluation.directory / "metrics.json").read_text("utf-8"))
    nothing = metrics["test"]["all"]
    assert nothing["rows"] == 0
    assert (nothing["accuracy"], nothing["intervals"]["accuracy"]) == (None, None)
    assert (nothing["calibration"]["ece"], nothing["ece_before"]) == (None, None)
    assert metrics["dev"]["all"]["rows"] == 2


def held_out(root: DataRoot, split: str, titles: list[str]) -> tuple[Artifact, Artifact]:
    """A corpus of these headlines with labels 0, 1, 2, 0 and so on, and its tokens."""
    file = root.store.directory.parent / "held-out.csv"
    rows = [f"{title},{number % 3},{split}\n" for number, title in enumerate(titles)]
    file.write_text("title,label,split\n" + "".join(rows), encoding="utf-8")
    corpus = ingest(root, "news", str(file))
    return corpus, segment_corpus(root, corpus)


def test_reviewed_headlines_are_a_split_of_their_own(root: DataRoot, tmp_path: Path) -> None:
    base = ingest(root, "news", str(write_corpus(tmp_path / "news.csv")))
    titles = [chr(0x4E00 + number) * 5 + "火灾" for number in range(12)]
    publish_predictions(root, "a.csv", titles, [[0.1, 0.2, 0.7]] * 12)
    make_labels(root, "first", ReviewSize(8, lot=1), lambda title: "负面")
    corpora = [base, ensure(root, "news+labels")]
    model = publish_model(root, "m")
    without, evaluation = (
        evaluate(root, model, corpus, segment_corpus(root, corpus)) for corpus in corpora
    )
    assert [*without.counts["metrics"]] == ["dev", "test"]
    assert without.manifest.config["splits"] == ["dev", "test"]  # part of the key, as before
    metrics = json.loads((evaluation.directory / "metrics.json").read_text("utf-8"))
    assert [*metrics] == ["dev", "test", "reviewed"]
    checked = pd.read_parquet(evaluation.directory / "output_check.parquet")
    reviewed = checked[checked["split"] == "reviewed"]
    assert len(reviewed) == metrics["reviewed"]["all"]["rows"] == 8
    check_books(metrics["reviewed"]["all"], reviewed)
    assert {*reviewed["title"]} < {*titles}
    baseline = json.loads((evaluation.directory / "baseline.json").read_text("utf-8"))
    assert baseline["reviewed"]["all"]["rows"] == 8
    assert "reviewed" in (evaluation.directory / "report.html").read_text("utf-8")
    for split in ("dev", "test"):
        assert without.counts["metrics"][split] == evaluation.counts["metrics"][split]
