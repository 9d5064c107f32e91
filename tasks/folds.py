"""The tasks that measure a preset on folds: the training of one, and the table of all."""

from headlines.errors import InputError
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import folds
from headlines.training.measure import Fold, problem_of, train_and_measure
from lstm_model.presets import Preset
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


# No timeout: a retry continues from the last epoch.
@stage("fold", run_name="fold {number} of {count}")
def train_fold(
    root: DataRoot, corpus: Artifact, tokens: Artifact, preset: Preset, number: int, count: int
) -> Artifact:
    """Train without a fold, counted from 1, and label it."""
    # In a process of its own TensorFlow's memory, 20 to 50 MB of each training, is returned.
    in_subprocess = root.settings.runner != "threads"
    fold = Fold(number - 1, count)
    part = train_and_measure(root, corpus, tokens, preset, fold, in_subprocess)
    if problem := problem_of(part):
        raise InputError(problem, f"fold {number} of {count}", "change the preset")
    log_stage(f"fold {number}", part, f"macro-F1 {part.counts['macro_f1']:.3f}")
    return part


@stage("folds", run_name="all folds", timeout_seconds=600)
def publish_folds(
    root: DataRoot, corpus: Artifact, preset: Preset, parts: list[Artifact]
) -> Artifact:
    """Publish the predictions of all folds, their metrics, and suspected label errors."""
    artifact = folds.publish_folds(root, corpus, preset, parts)
    log_stage("folds", artifact, f"macro-F1 {artifact.counts['macro_f1']:.3f}")
    rows = [{"fold": number, **counts} for number, counts in enumerate(artifact.counts["folds"], 1)]
    show_table("folds", rows, f"Preset {preset.name} on folds of train")
    return artifact
