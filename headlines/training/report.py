"""The report of a training: how it went, and what came of it on dev."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.models.card import chosen_on_dev, model_card
from headlines.reports.charts import confusion_chart, training_curves
from headlines.reports.rendering import figure, interval, rendered
from headlines.storage.artifact import Artifact
from headlines.storage.manifest import Recipe


def write_training_report(
    path: Path,
    recipe: Recipe,
    corpus: Artifact,
    history: Sequence[Mapping[str, Any]],
    dev: Mapping[str, Any],
    counts: Mapping[str, Any],
    versions: Mapping[str, str],
) -> None:
    """Write the report of a training; the same data give the same bytes.

    Args:
        path: of the HTML file.
        recipe: that the model is made by.
        corpus: it was trained on.
        history: one entry an epoch: `epoch`, and figures by name.
        dev: as in the model's `metrics.json`.
        counts: of the model's manifest.
        versions: of the libraries it was trained with.
    """
    content = rendered(
        "training.html",
        kind="Training of a model",
        title=f"Preset {recipe.config['preset']['name']} on {corpus.manifest.config['name']}",
        verdict=verdict(dev),
        history=history,
        dev={**dev, "intervals": _intervals(dev)},
        curves=training_curves(history, counts["best_epoch"], recipe.config["preset"]),
        chosen_on_dev=chosen_on_dev(recipe.config["preset"], dev["temperature"]),
        confusion=confusion_chart(dev["confusion_matrix"], "dev"),
        card=model_card(recipe, counts, versions, corpus),
    )
    path.write_text(content, encoding="utf-8")


def verdict(dev: Mapping[str, Any]) -> str:
    """What a training comes to, in one sentence.

    Args:
        dev: as in the model's `metrics.json`.
    """
    spans = _intervals(dev)
    return (
        f"Macro-F1 on dev {figure(dev['macro_f1'])} ({interval(spans['macro_f1'], 2)}), accuracy "
        f"{figure(dev['accuracy'])} ({interval(spans['accuracy'], 2)}), on {dev['rows']:,} "
        "headlines."
    )


def training_summary(model: Artifact) -> str:
    """A training in a few lines of markdown.

    Args:
        model: the artifact, whose figures are read from its files.
    """
    dev = json.loads((model.directory / "metrics.json").read_text("utf-8"))["dev"]
    counts, preset = model.counts, model.manifest.config["preset"]["name"]
    return "\n".join(
        [
            f"**{verdict(dev)}**",
            "",
            f"- model: `{model.directory.name}`, preset `{preset}`",
            f"- parameters: {counts['parameters']:,}; vocabulary: {counts['vocabulary']:,} words",
            f"- epochs: {counts['epochs']}, the weights of epoch {counts['best_epoch']}",
            f"- temperature: {dev['temperature']:.2f}; expected calibration error on dev "
            f"{figure(dev['ece'])}, before it {figure(dev['ece_before'])}",
            f"- report: `{model.directory / 'report.html'}`",
        ]
    )


def _intervals(dev: Mapping[str, Any]) -> dict[str, Any]:
    return bootstrap_intervals(np.array(dev["confusion_matrix"]))
