"""Trains the trials of a sweep and measures them on dev or on folds of train; test is never read.

Existing trainings are reused, even by a sweep of another space, and an interrupted one resumes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.folds import measure_folds
from headlines.training.measure import problem_of, seconds_of, train_and_measure
from headlines.training.search_space import Trial

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
        trainings: one for each seed, up to the first that failed; with folds, the result of all.
    """

    trial: Trial
    trainings: tuple[Artifact, ...]

    @property
    def problem(self) -> str:
        """Why a training failed; empty if none did."""
        return next(filter(None, map(problem_of, self.trainings)), "")

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
            "seconds": round(sum(map(seconds_of, self.trainings)), 1),
            "problem": self.problem,
        }


def run_trial(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    trial: Trial,
    seeds: int,
    folds: int | None = None,
    in_subprocess: bool = False,
) -> TrialResult:
    """Train a trial with each seed, up to the first that fails, or reuse existing trainings.

    Args:
        root: the data root.
        corpus: the training and dev rows.
        tokens: its tokens.
        trial: what is trained.
        seeds: how many.
        folds: of train that measure it, each in a training without it; None for dev.
        in_subprocess: as in `train_and_measure`.

    Raises:
        InputError: as in `train_and_measure`.
    """
    trainings: list[Artifact] = []
    for preset in trial.with_seeds(seeds):
        if folds is None:
            training = train_and_measure(root, corpus, tokens, preset, None, in_subprocess)
        else:
            training = measure_folds(root, corpus, tokens, preset, folds, in_subprocess)
        trainings.append(training)
        if problem_of(training):
            break
    return TrialResult(trial, tuple(trainings))
