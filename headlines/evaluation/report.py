"""The report of an evaluation: how far a model can be trusted, and where not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.models.card import chosen_on_dev, model_card
from headlines.reports.charts import confusion_chart, reliability_chart, training_curves
from headlines.reports.rendering import figure, interval, rendered, signed
from headlines.storage.artifact import Artifact
from headlines.storage.manifest import Recipe

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 30  # mistakes and doubted labels; the files beside the report hold all
_HONEST = "without_leaked_titles"


def write_evaluation_report(
    path: Path,
    model: Artifact,
    corpus: Artifact,
    metrics: Mapping[str, Any],
    baseline: Mapping[str, Any],
    behaviour: Mapping[str, Any],
    mistakes: "pd.DataFrame",
    doubted: "pd.DataFrame",
    in_all: Mapping[str, int],
) -> None:
    """Write the report of an evaluation; the same data give the same bytes.

    Args:
        path: of the HTML file.
        model: what was evaluated.
        corpus: whose held-out headlines it was evaluated on.
        metrics: as in `metrics.json`.
        baseline: as in `baseline.json`.
        behaviour: as in `behaviour.json`.
        mistakes: headlines with `split`, `row`, `title`, `label_name`, `prediction_name`,
            `probability`, the most confident first.
        doubted: headlines with `split`, `row`, `title`, `label_name`, `suggestion_name`, `p_label`,
            `p_suggestion`, the most doubtful first.
        in_all: how many `mistakes` and `doubted` there are; of both tables the first rows will do.
    """
    told = model.manifest
    history = json.loads((model.directory / "history.json").read_text("utf-8"))
    recipe = Recipe(told.stage, told.stage_version, told.inputs, told.config)
    splits = {split: parts[_HONEST] for split, parts in metrics.items() if parts[_HONEST]["rows"]}
    content = rendered(
        "evaluation.html",
        kind="Evaluation of a model",
        title=model.directory.name,
        verdict=verdict(metrics, baseline),
        beside_baseline=beside_baseline(baseline),
        behaviour_verdict=behaviour_verdict(behaviour),
        metrics=metrics,
        splits=splits,
        temperature=(temperature := metrics["dev"][_HONEST]["temperature"]),
        chosen_on_dev=chosen_on_dev(told.config["preset"], temperature),
        baseline=baseline,
        behaviour=behaviour,
        curves=training_curves(history["epochs"], history["best_epoch"], told.config["preset"]),
        confusion={
            split: confusion_chart(numbers["confusion_matrix"], split)
            for split, numbers in splits.items()
        },
        reliability={
            split: reliability_chart(numbers["calibration"]["bins"], split)
            for split, numbers in splits.items()
        },
        mistakes=mistakes.head(SHOWN).to_dict("records"),
        mistakes_in_all=in_all["mistakes"],
        doubted=doubted.head(SHOWN).to_dict("records"),
        doubted_in_all=in_all["doubted"],
        card=model_card(recipe, told.counts, told.versions, corpus),
    )
    path.write_text(content, encoding="utf-8")


def verdict(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """What an evaluation comes to, in one sentence: macro-F1 on dev, and whether it is needed.

    Args:
        metrics: as in `metrics.json`.
        baseline: as in `baseline.json`.
    """
    dev = metrics["dev"][_HONEST]
    if not dev["rows"]:
        return "There are no labelled headlines on dev to judge the model by."
    start = (
        f"Macro-F1 on dev {figure(dev['macro_f1'])} ({interval(dev['intervals']['macro_f1'], 2)})"
    )
    if not baseline["measured"]:
        return f"{start}; no linear baseline stands beside it: {baseline['why_not']}."
    beside = baseline["dev"][_HONEST]
    done = "beaten" if baseline["beaten"] else "not beaten"
    return f"{start}: the linear baseline's {figure(beside['macro_f1'])} is {done}."


def beside_baseline(baseline: Mapping[str, Any]) -> list[str]:
    """How the model stands to the baseline, one sentence a split where both were measured.

    Args:
        baseline: as in `baseline.json`.
    """
    sentences = []
    for split in ("dev", "test") if baseline["measured"] else ():
        difference = baseline[split][_HONEST]["difference"]
        if difference is not None:
            low, high = difference["interval"]
            outcome = "beats it" if low > 0 else "does worse" if high < 0 else "does not beat it"
            sentences.append(
                f"On {split} the LSTM {outcome}: macro-F1 {signed(difference['macro_f1'])} "
                f"({interval(difference['interval'])})."
            )
    return sentences


def behaviour_verdict(behaviour: Mapping[str, Any]) -> str:
    """How many behaviour checks a model passed, and which not, in one sentence.

    Those that it passed without knowing any of the added words are told of: all of them are one.

    Args:
        behaviour: as in `behaviour.json`.
    """
    checks = behaviour["checks"]
    judged = [check for check in checks if check["judged"]]
    failed = [check["name"] for check in judged if not check["passed"]]
    start = f"{len(judged) - len(failed)} of {len(judged)} behaviour checks passed"
    blind = sum(check["known"] == 0 and check["passed"] for check in judged)
    start += f", {blind} of them with words unknown to the model" if blind else ""
    few = len(checks) - len(judged)
    more = f"; {few} had too few headlines to be judged" if few else ""
    return f"{start}; failed: {', '.join(failed)}{more}." if failed else f"{start}{more}."


def evaluation_summary(evaluation: Artifact) -> str:
    """An evaluation in a few lines of markdown.

    Args:
        evaluation: the artifact, whose figures are read from its files.
    """
    metrics, baseline, behaviour = (
        json.loads((evaluation.directory / f"{name}.json").read_text("utf-8"))
        for name in ("metrics", "baseline", "behaviour")
    )
    lines = [f"**{verdict(metrics, baseline)}**", ""]
    for split, parts in metrics.items():
        numbers = parts[_HONEST]
        if numbers["rows"]:
            intervals = numbers["intervals"]
            lines.append(
                f"- {split}, without leaked titles: accuracy {figure(numbers['accuracy'])} "
                f"({interval(intervals['accuracy'])}), macro-F1 {figure(numbers['macro_f1'])} "
                f"({interval(intervals['macro_f1'])}), {numbers['rows']} headlines"
            )
    if beside := beside_baseline(baseline):
        lines.append(f"- beside the linear baseline: {' '.join(beside)}")
    lines += [
        f"- {behaviour_verdict(behaviour)}",
        f"- mistakes: {evaluation.counts['mistakes']}; doubted labels: "
        f"{evaluation.counts['doubted']}",
        f"- report: `{evaluation.directory / 'report.html'}`",
    ]
    return "\n".join(lines)
