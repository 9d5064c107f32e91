"""The tasks of a sweep: one trial, and the table of all."""

from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import sweep
from headlines.training.search_space import Space, Trial
from headlines.training.sweep import FIGURES, TrialResult
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


# No timeout: a retry continues from the last epoch.
@stage("trial", run_name="trial {number}")
def run_trial(
    root: DataRoot, number: int, trial: Trial, seeds: int, corpus: Artifact, tokens: Artifact
) -> TrialResult:
    """Train a trial's preset with each seed that is not up to date."""
    outcome = sweep.run_trial(root, corpus, tokens, trial, seeds)
    for seed, training in enumerate(outcome.trainings):
        counts = training.counts
        detail = counts["problem"] or f"dev macro-F1 {counts['macro_f1']:.3f}"
        log_stage(f"trial {number}, seed {seed}", training, detail)
    return outcome


@stage("rank", run_name="rank the trials", timeout_seconds=600)
def rank_trials(root: DataRoot, space: Space, outcomes: list[TrialResult]) -> Artifact:
    """Publish the table of the trials, best first, and the best preset."""
    artifact = sweep.publish_ranking(root, space, outcomes)
    log_stage("sweep", artifact, f"{len(outcomes)} trials, {artifact.counts['failed']} failed")
    rows = [
        {
            "trial": outcome.trial.number,
            **{name: str(outcome.spread(name) or "") for name in FIGURES},
            **outcome.trial.values,
            "problem": outcome.problem,
        }
        for outcome in sweep.ranked(outcomes)
    ]
    show_table("sweep", rows, "Trials by macro-F1 on dev, without leaked titles")
    return artifact
