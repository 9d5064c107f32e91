"""Trains the trials of a sweep and measures them on dev; test is never read.

Each training of a trial, one for each seed, is an artifact that holds only its metrics and no
model. Existing trainings are reused, even by a sweep of another space, and an interrupted one
resumes after its last finished epoch.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from headlines.compute.run_in_subprocess import run_in_subprocess
from headlines.corpus.examples import examples
from headlines.metrics.classification import classification_metrics
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.pretrain import pretrain, read_vectors
from headlines.training.search_space import Trial
from lstm_model.presets import Preset

METRICS = ("macro_f1", "accuracy")


@dataclass(frozen=True)
class MeanStd:
    """Mean and standard deviation over the seeds; the deviation is None for a single seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "MeanStd":
        """The mean and sample standard deviation of at least one value."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        if self.deviation is None:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


@dataclass(frozen=True)
class TrialResult:
    """The trainings of a trial.

    Attributes:
        trial: its point of the space.
        trainings: one for each seed, up to the first that failed.
    """

    trial: Trial
    trainings: tuple[Artifact, ...]

    @property
    def problem(self) -> str:
        """Why a training failed; empty if none did."""
        return next(filter(None, (training.counts["problem"] for training in self.trainings)), "")

    def mean_std(self, metric: str) -> MeanStd | None:
        """One of `METRICS` over the seeds; None if a training failed."""
        if self.problem:
            return None
        return MeanStd.of([training.counts[metric] for training in self.trainings])

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        metrics = {name: self.mean_std(name) for name in METRICS}
        return {
            "trial": self.trial.number,
            "preset": self.trial.preset.name,
            "values": dict(self.trial.values),
            **{name: asdict(value) if value else None for name, value in metrics.items()},
            "seconds": round(sum(map(_seconds, self.trainings)), 1),
            "problem": self.problem,
        }


def run_trial(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    trial: Trial,
    seeds: int,
    in_subprocess: bool = False,
) -> TrialResult:
    """Train a trial with each seed, up to the first that fails, or reuse existing trainings.

    A training `in_subprocess` returns its memory.

    Raises:
        InputError: the corpus has no labelled headlines in train, or none in dev that are not
            leaked.
    """
    trainings: list[Artifact] = []
    for preset in trial.with_seeds(seeds):
        trainings.append(train_trial(root, corpus, tokens, preset, in_subprocess))
        if trainings[-1].counts["problem"]:
            break
    return TrialResult(trial, tuple(trainings))


def train_trial(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    in_subprocess: bool = False,
) -> Artifact:
    """Train as `headlines.training.train.train` does, but keep only the metrics on dev.

    Leaked titles are excluded from them. A failed training is a result too, with the reason as
    `problem` in the counts.

    Raises:
        InputError: as in `run_trial`.
    """
    vectors = pretrain(root, corpus, preset)
    sources = (corpus, tokens, *vectors)
    recipe = Recipe(
        "trial",
        STAGES["trial"].version,
        tuple(artifact.as_source() for artifact in sources),
        {
            "preset": preset.to_dict(),
            "segmenter": tokens.manifest.config["segmenter"],
            "training": STAGES["model"].version,
        },
    )
    checkpoints = root.trial_checkpoints(recipe.key)

    def write_metrics(draft: Path) -> dict[str, Any]:
        segmenter = Segmenter.from_settings(root.settings)
        arguments = (corpus, tokens, preset, segmenter, vectors, checkpoints)
        metrics, counts = (
            run_in_subprocess(_train_and_measure, *arguments)
            if in_subprocess
            else _train_and_measure(*arguments)
        )
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "figures.json").write_text(text, encoding="utf-8")
        return counts

    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy")}
    # One training of a recipe at a time: a second run waits and reuses the result.
    with root.store.lock(checkpoints.name):
        name = root.trial(recipe.key)
        artifact = root.store.publish(name, recipe, write_metrics, versions=versions)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def _train_and_measure(
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    segmenter: Segmenter,
    vectors: Sequence[Artifact],
    checkpoints: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics on dev after a training (empty if it fails), and the counts of its manifest."""
    from lstm_model.packed import PackedScorer
    from lstm_model.trainer import TrainingError
    from lstm_model.training import train

    # First, so that missing rows are reported before the training.
    dev = examples(corpus, tokens, "dev", preset, segmenter, keep_leaked=False)
    try:
        trained = train(
            preset,
            examples(
                corpus,
                tokens,
                "train",
                preset,
                segmenter,
                keep_leaked=preset.keep_leaked_titles,
                for_training=True,
            ),
            None if preset.validation_split else examples(corpus, tokens, "dev", preset, segmenter),
            checkpoints,
            pretrained=read_vectors(vectors),
        )
    except TrainingError as error:
        return {}, {"problem": f"seed {preset.seed}: {error}"}
    scorer = PackedScorer(trained)
    probabilities = scorer.predict(dev.token_lists, dev.articles)
    if not np.isfinite(probabilities).all():  # possible even with a finite loss
        return {}, {"problem": f"seed {preset.seed}: its probabilities are not finite"}
    metrics = classification_metrics(dev.labels, scorer.labels(probabilities))
    return metrics, {
        "problem": "",
        **{name: metrics[name] for name in ("rows", *METRICS)},
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "seconds": round(sum(trained.seconds), 3),
    }


def _seconds(training: Artifact) -> float:
    """Of all its epochs; of a failed training, of the last run."""
    return float(training.counts.get("seconds", training.manifest.seconds))
