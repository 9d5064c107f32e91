"""The report of a training: its epochs, and metrics on dev."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.models.card import chosen_on_dev, model_card
from headlines.reports.charts import confusion_chart, training_curves
from headlines.reports.messages import ENGLISH, Messages
from headlines.reports.rendering import count, interval, render_page, score
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
    _: Messages = ENGLISH,
) -> None:
    """Write the report of a training; the same data give the same bytes.

    Args:
        path: of the HTML file.
        recipe: of the model.
        corpus: the training corpus.
        history: one entry for each epoch: `epoch`, and metrics by name.
        dev: as in the model's `metrics.json`.
        counts: of the model's manifest.
        versions: of the libraries it was trained with.
        _: the language.
    """
    preset = recipe.config["preset"]
    content = render_page(
        "training.html",
        _,
        kind=_("Model training"),
        title=_(
            "Preset %(preset)s on %(corpus)s",
            preset=preset["name"],
            corpus=corpus.manifest.config["name"],
        ),
        verdict=training_verdict(dev, _),
        history=history,
        dev={**dev, "intervals": _intervals(dev)},
        curves=training_curves(history, counts["best_epoch"], preset, _),
        chosen_on_dev=chosen_on_dev(preset, dev["temperature"], _),
        confusion=confusion_chart(dev["confusion_matrix"], "dev", _),
        card=model_card(recipe, counts, versions, corpus, _),
    )
    path.write_text(content, encoding="utf-8")


def training_verdict(dev: Mapping[str, Any], _: Messages = ENGLISH) -> str:
    """A training in one sentence, by the metrics on dev in `metrics.json`."""
    intervals = _intervals(dev)
    return _(
        "Macro-F1 on dev %(macro_f1)s (%(macro_f1_bounds)s), accuracy %(accuracy)s "
        "(%(accuracy_bounds)s), on %(rows)s headlines.",
        macro_f1=score(dev["macro_f1"]),
        macro_f1_bounds=interval(intervals["macro_f1"], 2, _),
        accuracy=score(dev["accuracy"]),
        accuracy_bounds=interval(intervals["accuracy"], 2, _),
        rows=count(dev["rows"]),
    )


def training_summary(model: Artifact) -> str:
    """A training, read from the model's files, in a few lines of markdown."""
    dev = json.loads((model.directory / "metrics.json").read_text("utf-8"))["dev"]
    counts, preset = model.counts, model.manifest.config["preset"]["name"]
    return "\n".join(
        [
            f"**{training_verdict(dev)}**",
            "",
            f"- model: `{model.version}`, preset `{preset}`",
            f"- parameters: {counts['parameters']:,}; vocabulary: {counts['vocabulary']:,} words",
            f"- epochs: {counts['epochs']}, the weights of epoch {counts['best_epoch']}",
            f"- temperature: {dev['temperature']:.2f}; expected calibration error on dev "
            f"{score(dev['ece'])}, before it {score(dev['ece_before'])}",
            f"- report: `{model.directory / 'report.html'}`",
        ]
    )


def _intervals(dev: Mapping[str, Any]) -> dict[str, Any]:
    return bootstrap_intervals(np.array(dev["confusion_matrix"]))
