"""The tasks of a sweep: one trial, and the table of all."""

from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import sweep
from headlines.training import trial as trials
from headlines.training.measure import problem_of
from headlines.training.search_space import SearchSpace, Trial
from headlines.training.trial import METRICS, TrialResult
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


# No timeout: a retry continues from the last epoch.
@stage("trial", run_name="trial {number}")
def run_trial(
    root: DataRoot,
    number: int,
    trial: Trial,
    seeds: int,
    folds: int | None,
    corpus: Artifact,
    tokens: Artifact,
) -> TrialResult:
    """Train a trial's preset with each seed that is not up to date."""
    # In a process of its own TensorFlow's memory, 20 to 50 MB of each training, is returned.
    in_subprocess = root.settings.runner != "threads"
    outcome = trials.run_trial(root, corpus, tokens, trial, seeds, folds, in_subprocess)
    for seed, training in enumerate(outcome.trainings):
        detail = problem_of(training) or f"macro-F1 {training.counts['macro_f1']:.3f}"
        log_stage(f"trial {number}, seed {seed}", training, detail)
    return outcome


@stage("rank", run_name="rank the trials", timeout_seconds=600)
def rank_trials(root: DataRoot, space: SearchSpace, outcomes: list[TrialResult]) -> Artifact:
    """Publish the table of the trials, best first, and the best preset."""
    artifact = sweep.publish_ranking(root, space, outcomes)
    log_stage("sweep", artifact, f"{len(outcomes)} trials, {artifact.counts['failed']} failed")
    rows = [
        {
            "trial": outcome.trial.number,
            **{name: str(outcome.mean_std(name) or "") for name in METRICS},
            **outcome.trial.values,
            "problem": outcome.problem,
        }
        for outcome in sweep.ranked(outcomes)
    ]
    rows_measured = f"{space.folds} folds of train" if space.folds else "dev, without leaked titles"
    show_table("sweep", rows, f"Trials by macro-F1 on {rows_measured}")
    return artifact
