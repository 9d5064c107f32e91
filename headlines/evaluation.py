"""Evaluates a model on the held-out splits of a corpus, headline by headline."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headlines import registry
from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.corpus import read_corpus
from headlines.labels import LABELS
from headlines.manifest import Recipe
from headlines.metrics import figures
from headlines.reports import write_evaluation_report
from headlines.spreadsheets import write_csv
from headlines.stages import STAGES
from headlines.tokens import read_tokens

HELD_OUT = ("dev", "test")


def evaluate(catalog: Catalog, model: Artifact, corpus: Artifact, tokens: Artifact) -> Artifact:
    """Evaluate a model, or reuse the evaluation that is there.

    The artifact holds `metrics.json` (by split, with and without the titles that also stand in
    train), `output_check` (every held-out headline with label, prediction and probabilities)
    and `mistakes` (those that are wrong, the most confident first), both as Parquet and CSV,
    and `report.html`.
    """
    recipe = Recipe(
        "evaluation",
        STAGES["evaluation"].version,
        (model.as_source(catalog), corpus.as_source(catalog), tokens.as_source(catalog)),
        {"splits": list(HELD_OUT)},
    )

    def write_evaluation(draft: Path) -> dict[str, Any]:
        checked = pd.concat(
            [output_check(model, corpus, tokens, split) for split in HELD_OUT], ignore_index=True
        )
        mistakes = checked[~checked["correct"]].sort_values(
            ["probability", "row"], ascending=[False, True], ignore_index=True
        )
        for name, frame in (("output_check", checked), ("mistakes", mistakes)):
            frame.to_parquet(draft / f"{name}.parquet", compression="zstd", index=False)
            write_csv(draft / f"{name}.csv", frame)
        metrics = {split: _metrics(checked[checked["split"] == split]) for split in HELD_OUT}
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "metrics.json").write_text(text, encoding="utf-8")
        write_evaluation_report(
            draft / "report.html", model.directory.name, model.manifest, metrics, mistakes
        )
        return {
            "rows": len(checked),
            "mistakes": len(mistakes),
            "metrics": {
                split: {
                    part: {name: numbers[name] for name in ("rows", "accuracy", "macro_f1")}
                    for part, numbers in by_part.items()
                }
                for split, by_part in metrics.items()
            },
        }

    target = catalog.evaluation(model.directory.name, recipe.key)
    return publish(catalog, target, recipe, write_evaluation)


def output_check(model: Artifact, corpus: Artifact, tokens: Artifact, split: str) -> pd.DataFrame:
    """Every labelled headline of a split beside what the model says of it.

    Columns: `split`, `row`, `title`, `label`, `label_name`, `prediction`, `prediction_name`,
    `probability` (of the prediction), one `p_…` a class, `correct`, `leaked`.
    """
    rows = read_corpus(corpus, ["row", "record_id", "split", "title", "label", "leaked"])
    rows = rows[(rows["split"] == split) & rows["label"].notna()]
    joined = rows.merge(
        read_tokens(tokens, split), on=["row", "record_id"], how="left", validate="one_to_one"
    )
    token_lists = [list(words) for words in joined["tokens"]]
    scorer = registry.scorer(model, tokens.manifest.config["segmenter"])
    probabilities = scorer.predict(token_lists)
    predictions = scorer.labels(probabilities)
    labels = joined["label"].to_numpy(np.int8)
    names = np.array(LABELS)
    return pd.DataFrame(
        {
            "split": joined["split"],
            "row": joined["row"],
            "title": joined["title"],
            "label": labels,
            "label_name": names[labels],
            "prediction": predictions,
            "prediction_name": names[predictions],
            "probability": np.take_along_axis(probabilities, predictions[:, None], axis=1)[:, 0],
            **{f"p_{name}": probabilities[:, label] for label, name in enumerate(LABELS)},
            "correct": labels == predictions,
            "leaked": joined["leaked"],
        }
    )


def _metrics(checked: pd.DataFrame) -> dict[str, Any]:
    honest = checked[~checked["leaked"]]
    return {
        part: figures(rows["label"].to_numpy(), rows["prediction"].to_numpy())
        for part, rows in (("all", checked), ("without_leaked_titles", honest))
    }
