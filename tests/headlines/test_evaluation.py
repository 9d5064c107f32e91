"""The evaluation: every held-out headline, and figures that follow from them."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, f1_score

from headlines.catalog import Catalog
from headlines.corpus import ingest
from headlines.evaluation import evaluate
from headlines.tokens import segment_corpus
from headlines.training import preset_named, train


@pytest.mark.usefixtures("small_preset")
def test_the_figures_follow_from_the_headlines(
    catalog: Catalog, corpus_file: Path, tmp_path: Path
) -> None:
    with corpus_file.open("a", encoding="utf-8") as file:
        file.write("某地获奖第0号,2,test\n=1+1的算式,1,test\n<script>alert(1)</script>,0,dev\n")
    corpus = ingest(catalog, "news", str(corpus_file))
    tokens = segment_corpus(catalog, corpus)
    model = train(catalog, corpus, tokens, preset_named("small"))

    evaluation = evaluate(catalog, model, corpus, tokens)

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
    assert metrics["test"]["all"]["rows"] == metrics["test"]["without_leaked_titles"]["rows"] + 1

    mistakes = pd.read_csv(evaluation.directory / "mistakes.csv")
    wrong = checked[checked["label"] != checked["prediction"]]
    assert sorted(mistakes["row"]) == sorted(wrong["row"])
    assert mistakes["probability"].is_monotonic_decreasing
    table = (evaluation.directory / "output_check.csv").read_text("utf-8-sig")
    assert "'=1+1的算式" in table  # no spreadsheet runs it

    report = (evaluation.directory / "report.html").read_text("utf-8")
    assert "<script>" not in report

    assert evaluate(catalog, model, corpus, tokens).reused
