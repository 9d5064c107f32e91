"""Labels each headline of train by a model that has not seen it: one training for each fold.

That measures a preset on all headlines of train, many more than dev has, and shows labels of train
that may be wrong. Each training is an artifact that holds its fold's predictions and no model.
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.compute.run_in_subprocess import run_in_subprocess
from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import examples, labelled_rows
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics, confusion_matrix
from headlines.metrics.label_errors import suspected_label_errors
from headlines.reports.spreadsheet import write_frames
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.pretrain import pretrain, read_vectors
from lstm_model.presets import Preset

MIN_FOLDS, MAX_FOLDS = 2, 20
_PREDICTIONS = "predictions.parquet"
_PROBABILITIES = [f"p_{name}" for name in LABELS]


def fold_numbers(record_ids: Sequence[str], folds: int) -> npt.NDArray[np.int64]:
    """The fold of each headline, from 0, shape (rows,): the same wherever the headline occurs."""
    return np.array([int(record_id[:15], 16) % folds for record_id in record_ids], np.int64)


def train_fold(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    number: int,
    folds: int,
    in_subprocess: bool = False,
) -> Artifact:
    """Train without a fold as `headlines.training.train.train` does, and label the fold.

    Dev ends the training and fits the temperature, as there. An interrupted training resumes after
    its last finished epoch.

    Args:
        root: the data root.
        corpus: the training and dev rows.
        tokens: its tokens.
        preset: the network and its training.
        number: of the fold, from 0.
        folds: how many there are.
        in_subprocess: whether to train in a process of its own, which returns its memory.

    Raises:
        InputError: the corpus has no labelled headlines in dev, or none in the fold or outside it.
    """
    vectors = pretrain(root, corpus, preset)
    sources = (corpus, tokens, *vectors)
    recipe = Recipe(
        "fold",
        STAGES["fold"].version,
        tuple(artifact.as_source() for artifact in sources),
        {
            "preset": preset.to_dict(),
            "segmenter": tokens.manifest.config["segmenter"],
            "training": STAGES["model"].version,
            "fold": number,
            "folds": folds,
        },
    )
    checkpoints = root.trial_checkpoints(recipe.key)

    def write_predictions(draft: Path) -> dict[str, Any]:
        segmenter = Segmenter.from_settings(root.settings)
        arguments = (corpus, tokens, preset, segmenter, vectors, checkpoints, number, folds)
        predictions = (
            run_in_subprocess(_train_and_predict, *arguments)
            if in_subprocess
            else _train_and_predict(*arguments)
        )
        predictions.to_parquet(draft / _PREDICTIONS, compression="zstd", index=False)
        return _summary(_metrics(predictions))

    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy")}
    # One training of a recipe at a time: a second run waits and reuses the result.
    with root.store.lock(checkpoints.name):
        name = root.fold(recipe.key)
        artifact = root.store.publish(name, recipe, write_predictions, versions=versions)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def _train_and_predict(
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    segmenter: Segmenter,
    vectors: Sequence[Artifact],
    checkpoints: Path,
    number: int,
    folds: int,
) -> pd.DataFrame:
    """`row`, `label`, `prediction` and the probabilities of the headlines of a fold."""
    from lstm_model.calibration import Calibration, log_probabilities
    from lstm_model.packed import PackedScorer
    from lstm_model.training import train

    # First, so that missing rows are reported before the training.
    dev = examples(corpus, tokens, "dev", preset, segmenter)
    everything = examples(
        corpus, tokens, "train", preset, segmenter, keep_leaked=False, for_training=True
    )
    rows = labelled_rows(corpus, "train", keep_leaked=False, for_training=True)
    in_fold = fold_numbers(rows["record_id"].to_list(), folds) == number
    measured = in_fold & rows["label"].notna().to_numpy()
    if in_fold.all() or not measured.any():
        raise InputError(
            f"{len(rows)} headlines of train are too few for {folds} folds",
            corpus.location,
            "evaluate with fewer folds",
        )
    held_out = everything.take(np.flatnonzero(measured))
    trained = train(
        preset,
        everything.take(np.flatnonzero(~in_fold)),
        None if preset.validation_split else dev,
        checkpoints,
        pretrained=read_vectors(vectors),
    )
    uncalibrated = PackedScorer(trained).predict(dev.token_lists, dev.articles)
    calibration = Calibration.fitted(log_probabilities(uncalibrated), dev.labels)
    scorer = PackedScorer(dataclasses.replace(trained, calibration=calibration))
    probabilities = scorer.predict(held_out.token_lists, held_out.articles)
    return pd.DataFrame(
        {
            "row": rows["row"].to_numpy()[measured],
            "label": held_out.labels.astype(np.int8),
            "prediction": scorer.labels(probabilities),
            **dict(zip(_PROBABILITIES, probabilities.T, strict=True)),
        }
    )


def publish_folds(
    root: DataRoot, corpus: Artifact, preset: Preset, parts: Sequence[Artifact]
) -> Artifact:
    """Publish the predictions of all folds together, and what they say of preset and labels.

    The artifact holds `predictions.parquet` (`row`, `fold`, `label`, `prediction`, one `p_…` for
    each class), `metrics.json`, and `doubted` as Parquet and CSV: headlines that may be labelled
    wrong, as `suspected_label_errors` has them, with their titles. The counts have the metrics of
    all folds, and by fold.
    """
    recipe = Recipe(
        "folds",
        STAGES["folds"].version,
        (corpus.as_source(), *(part.as_source() for part in parts)),
        {"preset": preset.to_dict(), "folds": len(parts)},
    )

    def write(draft: Path) -> dict[str, Any]:
        frames = [
            pd.read_parquet(part.directory / _PREDICTIONS).assign(fold=number)
            for number, part in enumerate(parts)
        ]
        predictions = pd.concat(frames).sort_values("row", ignore_index=True)
        columns = ["row", "fold", "label", "prediction", *_PROBABILITIES]
        predictions[columns].to_parquet(draft / _PREDICTIONS, compression="zstd", index=False)
        doubted = _with_titles(corpus, suspected_label_errors(predictions.assign(split="train")))
        doubted.to_parquet(draft / "doubted.parquet", compression="zstd", index=False)
        write_frames(draft / "doubted.csv", [doubted])
        metrics = _metrics(predictions)
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "metrics.json").write_text(text, encoding="utf-8")
        return {
            **_summary(metrics),
            "folds": [dict(part.counts) for part in parts],
            "doubted": len(doubted),
        }

    return root.store.publish(root.folds(recipe.key), recipe, write)


def _metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    labels, predicted = (predictions[name].to_numpy() for name in ("label", "prediction"))
    probabilities = predictions[_PROBABILITIES].to_numpy()
    return {
        **classification_metrics(labels, predicted),
        "intervals": bootstrap_intervals(confusion_matrix(labels, predicted)),
        "calibration": calibration_metrics(probabilities, labels, predicted),
    }


def _summary(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics that the manifest holds."""
    figures = {name: metrics[name] for name in ("rows", "accuracy", "macro_f1")}
    return {**figures, "cross_entropy": metrics["calibration"]["nll"]}


def _with_titles(corpus: Artifact, suspected: pd.DataFrame) -> pd.DataFrame:
    titles = read_corpus(corpus, ["row", "split", "title"]).drop(columns="split")
    joined = suspected.merge(titles, on="row", how="left", validate="one_to_one")
    return joined[["split", "row", "title", *suspected.columns.drop(["split", "row"])]]
