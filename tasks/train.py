"""The task that trains a model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect.logging import get_run_logger

from headlines.models import champion, presets, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import train
from headlines.training.report import training_summary
from tasks.reporting import log_stage, show_report, show_table
from tasks.stage import stage

if TYPE_CHECKING:
    from lstm_model.training import EpochReport


@stage("look-for-models", run_name="look for models")
def no_models_yet(root: DataRoot) -> bool:
    """Whether there never was a model; finishes an interrupted promotion of the first one."""
    champion.finish_first_promotion(root)
    return registry.is_empty(root)


# No timeout: training takes long, and a retry continues from the last epoch.
@stage("train", run_name="train {preset}")
def train_model(
    root: DataRoot,
    preset: str,
    corpus: Artifact,
    tokens: Artifact,
    pretrained: Sequence[Artifact],
) -> Artifact:
    """Train a model, unless it is up to date."""
    logger = get_run_logger()

    def log_epoch(report: "EpochReport") -> None:
        logger.info(
            "epoch %d of at most %d: loss %.4f, accuracy %.3f; dev loss %.4f, accuracy %.3f, "
            "macro-F1 %.3f; %.1f s, at most %.0f s to go",
            report.epoch,
            report.epochs,
            report.loss,
            report.accuracy,
            report.dev_loss,
            report.dev_accuracy,
            report.dev_macro_f1,
            report.seconds,
            report.eta_seconds,
        )

    artifact = train.train(
        root, corpus, tokens, presets.resolve_preset(preset, root.file), log_epoch, pretrained
    )
    dev = artifact.counts["dev"]
    log_stage(
        f"model {artifact.version}",
        artifact,
        f"dev accuracy {dev['accuracy']:.3f}, macro-F1 {dev['macro_f1']:.3f}",
    )
    show_table("training", [{"model": artifact.version, **dev}], "The trained model on dev")
    report = artifact.directory / "report.html"
    title = f"Training of {artifact.version}"
    show_report(root, "training-report", training_summary(artifact), report, title)
    return artifact
