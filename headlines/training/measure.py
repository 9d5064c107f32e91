"""Trains a preset to measure it on rows that it has not seen: dev, or a fold of train.

Each such training is an artifact that holds measures and no model. Existing ones are reused, and an
interrupted one resumes after its last finished epoch. Test is never read.
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.compute.run_in_subprocess import run_in_subprocess
from headlines.corpus.examples import examples, labelled_rows
from headlines.corpus.soft_labels import PROBABILITIES
from headlines.errors import InputError
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.pretrain import pretrain, read_vectors
from lstm_model.presets import Preset

PREDICTIONS = "predictions.parquet"


class Fold(NamedTuple):
    """A part of train that a training leaves out.

    Attributes:
        number: of the fold, from 0.
        folds: how many there are.
    """

    number: int
    folds: int


def fold_numbers(record_ids: Sequence[str], folds: int) -> npt.NDArray[np.int64]:
    """The fold of each headline, from 0, shape (rows,): the same wherever the headline occurs."""
    return np.array([int(record_id[:15], 16) % folds for record_id in record_ids], np.int64)


def train_and_measure(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    fold: Fold | None = None,
    in_subprocess: bool = False,
) -> Artifact:
    """Train as `headlines.training.train.train` does, and keep only what it says of other rows.

    The counts have `problem`, why the training failed; if it is empty, `rows`, `accuracy`,
    `macro_f1`, `cross_entropy`, `epochs`, `best_epoch` and `seconds` of all epochs. The artifact of
    dev holds `figures.json`; that of a fold `predictions.parquet`, with `row`, `label`,
    `prediction` and the probabilities of each labelled headline.

    Args:
        root: the data root.
        corpus: the training and dev rows.
        tokens: its tokens.
        preset: the network and its training.
        fold: is not trained on, and measured; None for dev. Dev ends the training and fits the
            temperature in any case. Leaked titles are not measured, nor, with a fold, trained on.
        in_subprocess: whether to train in a process of its own, which returns its memory.

    Raises:
        InputError: the corpus has no labelled headlines in train or dev, or none in the fold or
            outside it.
    """
    vectors = pretrain(root, corpus, preset)
    sources = (corpus, tokens, *vectors)
    kind = "trial" if fold is None else "fold"
    config = {
        "preset": preset.to_dict(),
        "segmenter": tokens.manifest.config["segmenter"],
        "training": STAGES["model"].version,
    }
    if fold is not None:
        config |= {"fold": fold.number, "folds": fold.folds}
    recipe = Recipe(
        kind, STAGES[kind].version, tuple(artifact.as_source() for artifact in sources), config
    )
    name = root.trial(recipe.key) if fold is None else root.fold(recipe.key)
    checkpoints = root.trial_checkpoints(recipe.key)

    def write_measures(draft: Path) -> dict[str, Any]:
        segmenter = Segmenter.from_settings(root.settings)
        arguments = (corpus, tokens, preset, segmenter, vectors, checkpoints, fold)
        predictions, counts = (
            run_in_subprocess(_train_and_predict, *arguments)
            if in_subprocess
            else _train_and_predict(*arguments)
        )
        metrics: dict[str, Any] = {}
        if predictions is not None:
            labels, predicted = (predictions[name].to_numpy() for name in ("label", "prediction"))
            probabilities = predictions[list(PROBABILITIES)].to_numpy()
            metrics = classification_metrics(labels, predicted)
            calibration = calibration_metrics(probabilities, labels, predicted)
            counts |= {key: metrics[key] for key in ("rows", "accuracy", "macro_f1")}
            counts["cross_entropy"] = calibration["nll"]
            if fold is not None:
                predictions.to_parquet(draft / PREDICTIONS, compression="zstd", index=False)
        if fold is None:
            text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
            (draft / "figures.json").write_text(text, encoding="utf-8")
        return counts

    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy")}
    # One training of a recipe at a time: a second run waits and reuses the result.
    with root.store.lock(checkpoints.name):
        artifact = root.store.publish(name, recipe, write_measures, versions=versions)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def problem_of(training: Artifact) -> str:
    """Why a training failed; empty if it did not. The result of all folds has none."""
    return str(training.counts.get("problem", ""))


def seconds_of(training: Artifact) -> float:
    """Of all its epochs; of one that failed, of the last run."""
    return float(training.counts.get("seconds", training.manifest.seconds))


def _train_and_predict(
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    segmenter: Segmenter,
    vectors: Sequence[Artifact],
    checkpoints: Path,
    fold: Fold | None,
) -> tuple[pd.DataFrame | None, dict[str, Any]]:
    """The predictions of a training, None if it failed, and counts of its manifest."""
    from lstm_model.calibration import Calibration, log_probabilities
    from lstm_model.packed import PackedScorer
    from lstm_model.trainer import TrainingError
    from lstm_model.training import train

    # First, so that missing rows are reported before the training.
    dev = examples(corpus, tokens, "dev", preset, segmenter)
    keep_leaked = fold is None and preset.keep_leaked_titles
    training = examples(
        corpus, tokens, "train", preset, segmenter, keep_leaked=keep_leaked, for_training=True
    )
    if fold is None:
        measured = examples(corpus, tokens, "dev", preset, segmenter, keep_leaked=False)
        row = labelled_rows(corpus, "dev", keep_leaked=False)["row"].to_numpy()
    else:
        rows = labelled_rows(corpus, "train", keep_leaked=False, for_training=True)
        in_fold = fold_numbers(rows["record_id"].to_list(), fold.folds) == fold.number
        has_label = rows["label"].notna().to_numpy()
        if in_fold.all() or not (in_fold & has_label).any():
            raise InputError(
                f"{len(rows)} headlines of train are too few for {fold.folds} folds",
                corpus.location,
                "use fewer folds",
            )
        measured = training.take(np.flatnonzero(in_fold & has_label))
        training = training.take(np.flatnonzero(~in_fold))
        row = rows["row"].to_numpy()[in_fold & has_label]
    try:
        trained = train(
            preset,
            training,
            None if preset.validation_split else dev,
            checkpoints,
            pretrained=read_vectors(vectors),
        )
    except TrainingError as error:
        return None, {"problem": f"seed {preset.seed}: {error}"}
    uncalibrated = PackedScorer(trained).predict(dev.token_lists, dev.articles)
    if not np.isfinite(uncalibrated).all():  # possible even with a finite loss
        return None, {"problem": f"seed {preset.seed}: its probabilities are not finite"}
    calibration = Calibration.fitted(log_probabilities(uncalibrated), dev.labels)
    scorer = PackedScorer(dataclasses.replace(trained, calibration=calibration))
    probabilities = scorer.predict(measured.token_lists, measured.articles)
    predictions = pd.DataFrame(
        {
            "row": row,
            "label": measured.labels.astype(np.int8),
            "prediction": scorer.labels(probabilities),
            **dict(zip(PROBABILITIES, probabilities.T, strict=True)),
        }
    )
    return predictions, {
        "problem": "",
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "seconds": round(sum(trained.seconds), 3),
    }
