"""Puts the folds of train together: each headline labelled by a model that has not seen it.

That measures a preset on all headlines of train, many more than dev has, and shows labels of train
that may be wrong.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from headlines.corpus.dataset import read_corpus
from headlines.corpus.soft_labels import PROBABILITIES
from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics, confusion_matrix
from headlines.metrics.label_errors import suspected_label_errors
from headlines.reports.spreadsheet import write_frames
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.measure import (
    PREDICTIONS,
    Fold,
    problem_of,
    seconds_of,
    train_and_measure,
)
from lstm_model.presets import Preset

MIN_FOLDS, MAX_FOLDS = 2, 20
_FIGURES = ("rows", "accuracy", "macro_f1", "cross_entropy")


def measure_folds(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    folds: int,
    in_subprocess: bool = False,
) -> Artifact:
    """Train a preset without each fold in turn: the result of `publish_folds`.

    Or the first training that failed. Arguments and errors are those of `train_and_measure`.
    """
    parts: list[Artifact] = []
    for number in range(folds):
        fold = Fold(number, folds)
        parts.append(train_and_measure(root, corpus, tokens, preset, fold, in_subprocess))
        if problem_of(parts[-1]):
            return parts[-1]
    return publish_folds(root, corpus, preset, parts)


def publish_folds(
    root: DataRoot, corpus: Artifact, preset: Preset, parts: Sequence[Artifact]
) -> Artifact:
    """Publish the predictions of all folds together, and what they say of preset and labels.

    The artifact holds `predictions.parquet` (`row`, `fold`, `label`, `prediction`, one `p_…` for
    each class), `metrics.json`, and `doubted` as Parquet and CSV: headlines that may be labelled
    wrong, as `suspected_label_errors` has them, with their titles. The counts have the metrics of
    all folds, and by fold.

    Args:
        root: the data root.
        corpus: the headlines of the folds.
        preset: that was trained.
        parts: the results of `train_and_measure`, one for each fold; none has a problem.
    """
    recipe = Recipe(
        "folds",
        STAGES["folds"].version,
        (corpus.as_source(), *(part.as_source() for part in parts)),
        {"preset": preset.to_dict(), "folds": len(parts)},
    )

    def write(draft: Path) -> dict[str, Any]:
        frames = [
            pd.read_parquet(part.directory / PREDICTIONS).assign(fold=number)
            for number, part in enumerate(parts)
        ]
        predictions = pd.concat(frames).sort_values("row", ignore_index=True)
        columns = ["row", "fold", "label", "prediction", *PROBABILITIES]
        predictions[columns].to_parquet(draft / PREDICTIONS, compression="zstd", index=False)
        doubted = _with_titles(corpus, suspected_label_errors(predictions.assign(split="train")))
        doubted.to_parquet(draft / "doubted.parquet", compression="zstd", index=False)
        write_frames(draft / "doubted.csv", [doubted])
        metrics = _metrics(predictions)
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "metrics.json").write_text(text, encoding="utf-8")
        figures = {**metrics, "cross_entropy": metrics["calibration"]["nll"]}
        return {
            **{name: figures[name] for name in _FIGURES},
            "folds": [{name: part.counts[name] for name in _FIGURES} for part in parts],
            "doubted": len(doubted),
            "seconds": sum(map(seconds_of, parts)),
        }

    return root.store.publish(root.folds(recipe.key), recipe, write)


def _metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    labels, predicted = (predictions[name].to_numpy() for name in ("label", "prediction"))
    probabilities = predictions[list(PROBABILITIES)].to_numpy()
    return {
        **classification_metrics(labels, predicted),
        "intervals": bootstrap_intervals(confusion_matrix(labels, predicted)),
        "calibration": calibration_metrics(probabilities, labels, predicted),
    }


def _with_titles(corpus: Artifact, suspected: pd.DataFrame) -> pd.DataFrame:
    titles = read_corpus(corpus, ["row", "split", "title"]).drop(columns="split")
    joined = suspected.merge(titles, on="row", how="left", validate="one_to_one")
    return joined[["split", "row", "title", *suspected.columns.drop(["split", "row"])]]
