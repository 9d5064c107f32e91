"""Runs the trials of a sweep, and ranks them by their figures on dev; test is never read.

Every training of a trial, one for each seed, is an artifact of its figures alone: no model of
`models/`. So trials that are there are reused, by a sweep of another space too, and one that was
killed goes on after its last finished epoch.
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
from headlines.models.presets import to_json
from headlines.storage.artifact import Artifact, publish
from headlines.storage.atomic import file_lock
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.pretrain import pretrain, read_vectors
from headlines.training.search_space import Space, Trial
from lstm_model.presets import Preset

FIGURES = ("macro_f1", "accuracy")
BEST = "best.json"


@dataclass(frozen=True)
class MeanStd:
    """Mean of a figure over the seeds, and its standard deviation; None for a single seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "MeanStd":
        """Of at least one value."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        if self.deviation is None:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


@dataclass(frozen=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        trial: its point of the space.
        trainings: one for each seed; the last one is that which failed, if one did.
    """

    trial: Trial
    trainings: tuple[Artifact, ...]

    @property
    def problem(self) -> str:
        """Why it could not be trained; empty where it could."""
        return next((told for one in self.trainings if (told := one.counts["problem"])), "")

    def spread(self, figure: str) -> MeanStd | None:
        """One of `FIGURES` over the seeds; None where one of them could not be trained."""
        if self.problem:
            return None
        return MeanStd.of([training.counts[figure] for training in self.trainings])

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        spreads = {name: self.spread(name) for name in FIGURES}
        return {
            "trial": self.trial.number,
            "preset": self.trial.preset.name,
            "values": dict(self.trial.values),
            **{name: asdict(spread) if spread else None for name, spread in spreads.items()},
            "seconds": round(sum(map(_seconds, self.trainings)), 1),
            "problem": self.problem,
        }


def run_trial(
    catalog: Catalog,
    corpus: Artifact,
    tokens: Artifact,
    trial: Trial,
    seeds: int,
    in_subprocess: bool = False,
) -> TrialResult:
    """Train by a trial's preset with each seed, or reuse what is there.

    A seed with which it cannot be trained is the last one that is tried.

    Args:
        in_subprocess: whether each training runs in a process of its own, which frees its memory.

    Raises:
        InputError: the corpus has no labelled headlines in train, or none in dev that are not
            leaked.
    """
    trainings: list[Artifact] = []
    for preset in trial.seeded(seeds):
        trainings.append(train_trial(catalog, corpus, tokens, preset, in_subprocess))
        if trainings[-1].counts["problem"]:
            break
    return TrialResult(trial, tuple(trainings))


def train_trial(
    catalog: Catalog,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    in_subprocess: bool = False,
) -> Artifact:
    """Train as `headlines.training.train.train` does, but keep the figures on dev alone.

    Leaked titles are left out of them. That a preset cannot be trained is a result too: the counts
    tell it as `problem`.

    Raises:
        InputError: as `run_trial` does.
    """
    vectors = pretrain(catalog, corpus, preset)
    sources = (corpus, tokens, *vectors)
    recipe = Recipe(
        "trial",
        STAGES["trial"].version,
        tuple(artifact.as_source(catalog) for artifact in sources),
        {
            "preset": preset.to_dict(),
            "segmenter": tokens.manifest.config["segmenter"],
            "training": STAGES["model"].version,
        },
    )
    checkpoints = catalog.work / f"trial-{recipe.key[:16]}"

    def write_figures(draft: Path) -> dict[str, Any]:
        arguments = (corpus, tokens, preset, vectors, checkpoints)
        found, counts = (
            run_in_subprocess(_trained_figures, *arguments)
            if in_subprocess
            else _trained_figures(*arguments)
        )
        _write(draft / "figures.json", found)
        return counts

    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy")}
    # One training of a recipe at a time: a second run waits and takes the first one's figures.
    with file_lock(catalog, checkpoints.name):
        target = catalog.trial(recipe.key)
        artifact = publish(catalog, target, recipe, write_figures, versions=versions)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def _trained_figures(
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    vectors: Sequence[Artifact],
    checkpoints: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures on dev after a training (none if it fails), and what is worth counting of it."""
    from lstm_model.packed import PackedScorer
    from lstm_model.trainer import TrainingError
    from lstm_model.training import train

    # What is missing is told at once.
    dev = examples(corpus, tokens, "dev", preset, keep_leaked=False)
    try:
        trained = train(
            preset,
            examples(corpus, tokens, "train", preset, keep_leaked=preset.keep_leaked_titles),
            None if preset.validation_split else examples(corpus, tokens, "dev", preset),
            checkpoints,
            pretrained=read_vectors(vectors),
        )
    except TrainingError as error:
        return {}, {"problem": f"seed {preset.seed}: {error}"}
    scorer = PackedScorer(trained)
    probabilities = scorer.predict(dev.token_lists, dev.articles)
    if not np.isfinite(probabilities).all():  # the loss may be finite all the same
        return {}, {"problem": f"seed {preset.seed}: it gives probabilities that are no numbers"}
    found = classification_metrics(dev.labels, scorer.labels(probabilities))
    return found, {
        "problem": "",
        **{name: found[name] for name in ("rows", *FIGURES)},
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "seconds": round(sum(trained.seconds), 3),
    }


def ranked(outcomes: Sequence[TrialResult]) -> list[TrialResult]:
    """Best first: by the mean macro-F1, then by number; those that could not be trained last."""

    def place(outcome: TrialResult) -> tuple[bool, float, int]:
        spread = outcome.spread("macro_f1")
        return spread is None, -(spread.mean if spread else 0.0), outcome.trial.number

    return sorted(outcomes, key=place)


def publish_ranking(catalog: Catalog, space: Space, outcomes: Sequence[TrialResult]) -> Artifact:
    """Publish the table of a sweep, and the best preset as a file.

    The counts tell how many `trials` there are, how many `failed`, and `best`, the name of the
    preset file in the artifact: None where no trial could be trained.
    """
    order = ranked(outcomes)
    recipe = Recipe(
        "sweep",
        STAGES["sweep"].version,
        tuple(one.as_source(catalog) for outcome in order for one in outcome.trainings),
        {
            "preset": space.preset.to_dict(),
            "seeds": space.seeds,
            "trials": [asdict(outcome.trial) for outcome in order],
        },
    )

    def write_table(draft: Path) -> dict[str, Any]:
        rows = [outcome.to_dict() for outcome in order]
        _write(draft / "trials.json", rows)
        best = None if order[0].problem else order[0].trial.preset
        if best:
            (draft / BEST).write_text(to_json(best), encoding="utf-8")
        failed = sum(1 for outcome in order if outcome.problem)
        return {"trials": len(rows), "failed": failed, "best": BEST if best else None}

    return publish(catalog, catalog.sweep(recipe.key), recipe, write_table)


def _seconds(training: Artifact) -> float:
    """Of all its epochs; of a training that failed, of the last run."""
    return float(training.counts.get("seconds", training.manifest.seconds))


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
