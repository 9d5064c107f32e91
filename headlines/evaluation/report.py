"""The report of an evaluation: how good a model is, and where it fails."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.models.card import chosen_on_dev, model_card
from headlines.reports.charts import confusion_chart, reliability_chart, training_curves
from headlines.reports.messages import ENGLISH, Messages
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
    _: Messages = ENGLISH,
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
        _: the language, as below.
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
        _,
        kind=_("Model evaluation"),
        title=model.version,
        verdict=evaluation_verdict(metrics, baseline, _),
        baseline_sentences=baseline_sentences(baseline, _),
        behaviour_verdict=behaviour_verdict(behaviour, _),
        metrics=metrics,
        splits=splits,
        temperature=(temperature := metrics["dev"][_NOT_LEAKED]["temperature"]),
        chosen_on_dev=chosen_on_dev(preset, temperature, _),
        baseline=baseline,
        behaviour=behaviour,
        curves=training_curves(history["epochs"], history["best_epoch"], preset, _),
        confusion={
            split: confusion_chart(values["confusion_matrix"], split, _)
            for split, values in splits.items()
        },
        reliability={
            split: reliability_chart(values["calibration"]["bins"], split, _)
            for split, values in splits.items()
        },
        mistakes=mistakes.head(SHOWN).to_dict("records"),
        mistakes_total=totals["mistakes"],
        suspected=suspected.head(SHOWN).to_dict("records"),
        suspected_total=totals["doubted"],
        card=model_card(recipe, manifest.counts, manifest.versions, corpus, _),
    )
    path.write_text(content, encoding="utf-8")


def evaluation_verdict(
    metrics: Mapping[str, Any], baseline: Mapping[str, Any], _: Messages = ENGLISH
) -> str:
    """An evaluation in one sentence: its metrics on dev, and whether the baseline is beaten."""
    dev = metrics["dev"][_NOT_LEAKED]
    if not dev["rows"]:
        return _("Dev has no labelled headlines to judge the model by.")
    start = _(
        "Macro-F1 on dev %(macro_f1)s (%(bounds)s), cross-entropy %(cross_entropy)s",
        macro_f1=score(dev["macro_f1"]),
        bounds=interval(dev["intervals"]["macro_f1"], 2, _),
        cross_entropy=score(dev["calibration"]["nll"]),
    )
    if not baseline["measured"]:
        return start + _(
            "; not compared with a linear baseline: %(reason)s.",
            reason=_.word(baseline["why_not"]),
        )
    linear = baseline["dev"][_NOT_LEAKED]
    return start + _(
        ": the linear baseline (%(macro_f1)s, %(cross_entropy)s) is %(outcome)s.",
        macro_f1=score(linear["macro_f1"]),
        cross_entropy=score(linear["cross_entropy"]),
        outcome=_("beaten") if baseline["beaten"] else _("not beaten"),
    )


def baseline_sentences(baseline: Mapping[str, Any], _: Messages = ENGLISH) -> list[str]:
    """The comparison with the baseline, one sentence for each split where both were measured."""
    sentences = []
    for split in ("dev", "test") if baseline["measured"] else ():
        difference = baseline[split][_NOT_LEAKED]["difference"]
        if difference is not None:
            outcome = _("does not beat it")
            if difference["beats"]:
                outcome = _("beats it")
            elif difference["cross_entropy"]["low"] > 0:
                outcome = _("is worse")
            sentences.append(
                _(
                    "On %(split)s the LSTM %(outcome)s: cross-entropy %(cross_entropy)s, "
                    "macro-F1 %(macro_f1)s.",
                    split=split,
                    outcome=outcome,
                    cross_entropy=_with_bounds(difference["cross_entropy"], _),
                    macro_f1=_with_bounds(difference["macro_f1"], _),
                )
            )
    return sentences


def _with_bounds(difference: Mapping[str, float], _: Messages) -> str:
    bounds = interval([difference["low"], difference["high"]], _=_)
    return _("%(value)s (%(bounds)s)", value=signed(difference["difference"]), bounds=bounds)


def behaviour_verdict(behaviour: Mapping[str, Any], _: Messages = ENGLISH) -> str:
    """The behaviour checks in one sentence: how many passed, and which failed.

    Passes without knowing any of the added words are counted, as they all measure the same.
    """
    checks = behaviour["checks"]
    judged = [check for check in checks if check["judged"]]
    failed = [_.word(check["name"]) for check in judged if not check["passed"]]
    verdict = _(
        "%(passed)s of %(judged)s behaviour checks passed",
        passed=len(judged) - len(failed),
        judged=len(judged),
    )
    if unknown := sum(check["known"] == 0 and check["passed"] for check in judged):
        verdict += _(", %(checks)s of them with words unknown to the model", checks=unknown)
    if failed:
        verdict += _("; failed: %(names)s", names=_(", ").join(failed))
    if skipped := len(checks) - len(judged):
        verdict += _("; %(checks)s skipped: too few headlines", checks=skipped)
    return verdict + _(".")


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
