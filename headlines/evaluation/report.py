"""The report of an evaluation: how good a model is, and where it fails."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.models.card import chosen_on_dev, model_card
from headlines.reports.charts import confusion_chart, reliability_chart, training_curves
from headlines.reports.rendering import interval, render_page, score, signed
from headlines.storage.artifact import Artifact
from headlines.storage.manifest import Recipe

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 30  # mistakes and suspected labels in the report; the tables have all
_NOT_LEAKED = "without_leaked_titles"


def write_evaluation_report(
    path: Path,
    model: Artifact,
    corpus: Artifact,
    metrics: Mapping[str, Any],
    baseline: Mapping[str, Any],
    behaviour: Mapping[str, Any],
    mistakes: "pd.DataFrame",
    suspected: "pd.DataFrame",
    totals: Mapping[str, int],
) -> None:
    """Write the report of an evaluation; the same data give the same bytes.

    Args:
        path: of the HTML file.
        model: the evaluated model.
        corpus: the corpus with the held-out headlines.
        metrics, baseline, behaviour: content of the JSON files of these names, here and below.
        mistakes: headlines with `split`, `row`, `title`, `label_name`, `prediction_name`,
            `probability`, the most confident first.
        suspected: headlines with `split`, `row`, `title`, `label_name`, `suggestion_name`,
            `p_label`, `p_suggestion`, the most suspicious first.
        totals: number of all `mistakes` and `doubted` labels; the two tables may be cut.
    """
    manifest = model.manifest
    preset = manifest.config["preset"]
    history = json.loads((model.directory / "history.json").read_text("utf-8"))
    recipe = Recipe(manifest.stage, manifest.stage_version, manifest.inputs, manifest.config)
    splits = {
        split: subsets[_NOT_LEAKED]
        for split, subsets in metrics.items()
        if subsets[_NOT_LEAKED]["rows"]
    }
    content = render_page(
        "evaluation.html",
        kind="Model evaluation",
        title=model.version,
        verdict=evaluation_verdict(metrics, baseline),
        baseline_sentences=baseline_sentences(baseline),
        behaviour_verdict=behaviour_verdict(behaviour),
        metrics=metrics,
        splits=splits,
        temperature=(temperature := metrics["dev"][_NOT_LEAKED]["temperature"]),
        chosen_on_dev=chosen_on_dev(preset, temperature),
        baseline=baseline,
        behaviour=behaviour,
        curves=training_curves(history["epochs"], history["best_epoch"], preset),
        confusion={
            split: confusion_chart(values["confusion_matrix"], split)
            for split, values in splits.items()
        },
        reliability={
            split: reliability_chart(values["calibration"]["bins"], split)
            for split, values in splits.items()
        },
        mistakes=mistakes.head(SHOWN).to_dict("records"),
        mistakes_total=totals["mistakes"],
        suspected=suspected.head(SHOWN).to_dict("records"),
        suspected_total=totals["doubted"],
        card=model_card(recipe, manifest.counts, manifest.versions, corpus),
    )
    path.write_text(content, encoding="utf-8")


def evaluation_verdict(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """An evaluation in one sentence: its metrics on dev, and whether the baseline is beaten."""
    dev = metrics["dev"][_NOT_LEAKED]
    if not dev["rows"]:
        return "Dev has no labelled headlines to judge the model by."
    start = (
        f"Macro-F1 on dev {score(dev['macro_f1'])} ({interval(dev['intervals']['macro_f1'], 2)}), "
        f"cross-entropy {score(dev['calibration']['nll'])}"
    )
    if not baseline["measured"]:
        return f"{start}; not compared with a linear baseline: {baseline['why_not']}."
    linear = baseline["dev"][_NOT_LEAKED]
    outcome = "beaten" if baseline["beaten"] else "not beaten"
    return (
        f"{start}: the linear baseline ({score(linear['macro_f1'])}, "
        f"{score(linear['cross_entropy'])}) is {outcome}."
    )


def baseline_sentences(baseline: Mapping[str, Any]) -> list[str]:
    """The comparison with the baseline, one sentence for each split where both were measured."""
    sentences = []
    for split in ("dev", "test") if baseline["measured"] else ():
        difference = baseline[split][_NOT_LEAKED]["difference"]
        if difference is not None:
            is_worse = difference["cross_entropy"]["low"] > 0
            outcome = "is worse" if is_worse else "does not beat it"
            sentences.append(
                f"On {split} the LSTM {'beats it' if difference['beats'] else outcome}: "
                f"{_in_words('cross-entropy', difference['cross_entropy'])}, "
                f"{_in_words('macro-F1', difference['macro_f1'])}."
            )
    return sentences


def _in_words(metric: str, difference: Mapping[str, float]) -> str:
    bounds = interval([difference["low"], difference["high"]])
    return f"{metric} {signed(difference['difference'])} ({bounds})"


def behaviour_verdict(behaviour: Mapping[str, Any]) -> str:
    """The behaviour checks in one sentence: how many passed, and which failed.

    Passes without knowing any of the added words are counted, as they all measure the same.
    """
    checks = behaviour["checks"]
    judged = [check for check in checks if check["judged"]]
    failed = [check["name"] for check in judged if not check["passed"]]
    start = f"{len(judged) - len(failed)} of {len(judged)} behaviour checks passed"
    unknown = sum(check["known"] == 0 and check["passed"] for check in judged)
    start += f", {unknown} of them with words unknown to the model" if unknown else ""
    skipped = len(checks) - len(judged)
    end = f"; {skipped} skipped: too few headlines" if skipped else ""
    return f"{start}; failed: {', '.join(failed)}{end}." if failed else f"{start}{end}."


def evaluation_summary(evaluation: Artifact) -> str:
    """An evaluation, read from its files, in a few lines of markdown."""
    metrics, baseline, behaviour = (
        json.loads((evaluation.directory / f"{name}.json").read_text("utf-8"))
        for name in ("metrics", "baseline", "behaviour")
    )
    lines = [f"**{evaluation_verdict(metrics, baseline)}**", ""]
    for split, subsets in metrics.items():
        values = subsets[_NOT_LEAKED]
        if values["rows"]:
            intervals = values["intervals"]
            lines.append(
                f"- {split}, without leaked titles: accuracy {score(values['accuracy'])} "
                f"({interval(intervals['accuracy'])}), macro-F1 {score(values['macro_f1'])} "
                f"({interval(intervals['macro_f1'])}), positive recall "
                f"{score(values['classes']['positive']['recall'])}, {values['rows']} headlines"
            )
    if sentences := baseline_sentences(baseline):
        lines.append(f"- compared with the linear baseline: {' '.join(sentences)}")
    lines += [
        f"- {behaviour_verdict(behaviour)}",
        f"- mistakes: {evaluation.counts['mistakes']}; suspected label errors: "
        f"{evaluation.counts['doubted']}",
        f"- report: `{evaluation.directory / 'report.html'}`",
    ]
    return "\n".join(lines)
