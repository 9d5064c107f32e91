"""Trains a model on a corpus and publishes it as a version."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.corpus.examples import examples
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics
from headlines.models import champion, registry
from headlines.reports.messages import Messages
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.pretrain import read_vectors
from headlines.training.report import write_training_report
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.examples import Examples
    from lstm_model.packed import PackedScorer
    from lstm_model.training import EpochReport


def train(
    root: DataRoot,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    on_epoch: "Callable[[EpochReport], None] | None" = None,
    pretrained: Sequence[Artifact] = (),
) -> Artifact:
    """Train a model, or reuse the existing one of the same inputs and preset.

    The temperature of its probabilities is fitted on dev after the training; this changes no label.
    An interrupted training resumes after its last finished epoch and ends with the same weights.
    The first model of a data root becomes its champion.

    Args:
        root: the data root.
        corpus: the training and dev rows.
        tokens: its tokens.
        preset: the network and its training.
        on_epoch: called after every epoch.
        pretrained: the result of `pretrain`; empty if the preset does not use pretrained vectors.

    Raises:
        InputError: the corpus has no labelled training rows, or the existing model is damaged.
    """
    recipe = Recipe(
        "model",
        STAGES["model"].version,
        tuple(artifact.as_source() for artifact in (corpus, tokens, *pretrained)),
        {"preset": preset.to_dict(), "segmenter": tokens.manifest.config["segmenter"]},
    )
    checkpoints = root.training_checkpoints(recipe.key)
    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy", "jieba")}

    def write_bundle(draft: Path) -> dict[str, Any]:
        import lstm_model.training
        from lstm_model.bundle import write_bundle
        from lstm_model.calibration import Calibration, log_probabilities
        from lstm_model.packed import PackedScorer

        # First, so that missing rows are reported before the training.
        segmenter = Segmenter.from_settings(root.settings)
        dev = examples(corpus, tokens, "dev", preset, segmenter)
        trained = lstm_model.training.train(
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
            None if preset.validation_split else dev,
            checkpoints,
            on_epoch,
            read_vectors(pretrained),
        )
        # By NumPy, so that a model's bytes do not depend on whether there was a compiler.
        scorer = PackedScorer(trained, kernel="numpy")
        uncalibrated = scorer.predict(dev.token_lists, dev.articles)
        calibration = Calibration.fitted(log_probabilities(uncalibrated), dev.labels)
        write_bundle(draft, dataclasses.replace(trained, calibration=calibration))
        metrics = {"dev": _dev_metrics(PackedScorer.load(draft, kernel="numpy"), dev)}
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "metrics.json").write_text(text, encoding="utf-8")
        counts = {
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
            "parameters": sum(weight.size for weight in trained.weights.values()),
            "vocabulary": len(trained.vocabulary),
        }
        write_training_report(
            draft / "report.html",
            recipe,
            corpus,
            trained.history,
            metrics["dev"],
            counts,
            versions,
            Messages(root.settings.language),
        )
        return {
            **counts,
            "dev": {name: metrics["dev"][name] for name in ("rows", "accuracy", "macro_f1")},
        }

    # One training of a recipe at a time: a second run waits and reuses the model.
    with root.store.lock(checkpoints.name):
        artifact = registry.find_by_key(root, recipe.key)
        if artifact is None:
            champion.mark_first_training(root)
            name = root.model(registry.new_version(recipe.key))
            artifact = root.store.publish(name, recipe, write_bundle, versions=versions)
        champion.finish_first_promotion(root)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def _dev_metrics(scorer: "PackedScorer", dev: "Examples") -> dict[str, Any]:
    """Metrics, with the calibration error before and after the temperature was applied."""
    probabilities = scorer.predict(dev.token_lists, dev.articles)
    predictions = scorer.labels(probabilities)
    before = scorer.calibration.at_temperature_1(probabilities)
    return {
        **classification_metrics(dev.labels, predictions),
        "ece_before": calibration_metrics(before, dev.labels, predictions)["ece"],
        "ece": calibration_metrics(probabilities, dev.labels, predictions)["ece"],
        "temperature": scorer.calibration.temperature,
    }
