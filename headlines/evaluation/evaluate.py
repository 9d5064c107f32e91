"""Evaluates a model on the held-out splits of a corpus."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.corpus.with_labels import held_out_splits
from headlines.evaluation.baseline import compare_with_baseline, fit_baseline
from headlines.evaluation.behaviour import check_behaviour
from headlines.evaluation.held_out import HeldOutPredictions, predict_held_out
from headlines.evaluation.report import SHOWN, write_evaluation_report
from headlines.evaluation.tables import with_titles, write_tables
from headlines.labels import LABELS
from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics, confusion_matrix
from headlines.metrics.profile import Profile, oov_rates, profile_of
from headlines.metrics.slices import by_length, by_unknown
from headlines.models import registry
from headlines.readers.titles import half_width
from headlines.reports.messages import Messages
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from lstm_model.calibration import Calibration
from lstm_model.vocabulary import UNKNOWN


def evaluate(root: DataRoot, model: Artifact, corpus: Artifact, tokens: Artifact) -> Artifact:
    """Evaluate a model, or reuse the evaluation that is there.

    The artifact holds
    - `metrics.json`: by split, with and without the titles that are also in train: metrics with
      intervals, calibration before and after the temperature (which was fitted on dev, so test says
      more), metrics by length and by share of unknown words;
    - `output_check` (every held-out headline with label, prediction and probabilities), `mistakes`
      (the wrong ones, the most confident first) and `doubted` (suspected label errors, the most
      likely first), each as Parquet and CSV;
    - `baseline.json`: the metrics of a linear classifier, and the model's difference from it;
    - `behaviour.json`: the behaviour checks on the headlines of dev;
    - `reference.json`: the profile that drift is measured against; see `reference_profile`;
    - `report.html`.
    """
    splits = held_out_splits(corpus)
    baseline = fit_baseline(root, corpus, tokens, registry.preset_of(model))
    recipe = Recipe(
        "evaluation",
        STAGES["evaluation"].version,
        (
            *(artifact.as_source() for artifact in (model, corpus, tokens)),
            *baseline.inputs(),
        ),
        {"splits": list(splits)},
    )

    segmenter = Segmenter.from_settings(root.settings)

    def write_evaluation(draft: Path) -> dict[str, Any]:
        calibration = registry.load_scorer(model, tokens.manifest.config["segmenter"]).calibration
        held_out = predict_held_out(root, model, corpus, tokens, splits)
        predictions = held_out.predictions
        mistakes, suspected = write_tables(draft, held_out)
        metrics = {
            split: _split_metrics(predictions[predictions["split"] == split], calibration)
            for split in splits
        }
        [dev] = np.nonzero(predictions["split"] == "dev")
        documents: dict[str, dict[str, Any]] = {
            "metrics": metrics,
            "baseline": compare_with_baseline(baseline, predictions),
            "behaviour": _check_behaviour(model, segmenter, held_out, dev),
            "reference": _dev_profile(predictions).to_dict(),
        }
        for name, document in documents.items():
            text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
            (draft / f"{name}.json").write_text(text, encoding="utf-8")
        write_evaluation_report(
            draft / "report.html",
            model,
            corpus,
            metrics,
            documents["baseline"],
            documents["behaviour"],
            with_titles(held_out, mistakes.head(SHOWN)),
            with_titles(held_out, suspected.head(SHOWN)),
            {"mistakes": len(mistakes), "doubted": len(suspected)},
            Messages(root.settings.language),
        )
        return {
            "rows": len(predictions),
            "mistakes": len(mistakes),
            "doubted": len(suspected),
            **_baseline_counts(documents["baseline"]),
            **_behaviour_counts(documents["behaviour"]),
            "metrics": {
                split: {subset: _summarise(values) for subset, values in subsets.items()}
                for split, subsets in metrics.items()
            },
        }

    name = root.evaluation(model.version, recipe.key)
    return root.store.publish(name, recipe, write_evaluation)


def reference_profile(evaluation: Artifact) -> Profile:
    """The profile of the dev headlines without leaked titles, which drift is measured against.

    Train would not do: the model knows all of its words.
    """
    text = (evaluation.directory / "reference.json").read_text(encoding="utf-8")
    return Profile.from_dict(json.loads(text))


def _check_behaviour(
    model: Artifact, segmenter: Segmenter, held_out: HeldOutPredictions, rows: npt.NDArray[np.intp]
) -> dict[str, Any]:
    scorer = registry.load_scorer(model, segmenter.fingerprint())
    texts = held_out.contents(rows).to_pylist() if scorer.preset.contents else ()
    contents = article_tokens(scorer.preset, segmenter, texts)

    def classify(
        changed: Sequence[str], indices: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
        articles = None if contents is None else [contents[index] for index in indices]
        probabilities = scorer.predict(segmenter.cut(map(half_width, changed)), articles)
        return probabilities, scorer.labels(probabilities)

    def known(text: str) -> float:
        ids, words = scorer.vocabulary.ids(segmenter.cut([text]))
        return float(1 - oov_rates(ids != UNKNOWN, words)[0])

    return check_behaviour(held_out.titles(rows).to_pylist(), classify, known)


def _baseline_counts(baseline: dict[str, Any]) -> dict[str, Any]:
    dev = baseline["dev"]["without_leaked_titles"] if baseline["measured"] else {}
    return {
        "baseline_beaten": baseline["beaten"],
        "baseline_macro_f1": dev.get("macro_f1"),
        "baseline_cross_entropy": dev.get("cross_entropy"),
        "baseline_why_not": baseline["why_not"],
    }


def _behaviour_counts(behaviour: dict[str, Any]) -> dict[str, Any]:
    judged = [check for check in behaviour["checks"] if check["judged"]]
    return {
        "behaviour_passed": behaviour["passed"],
        "behaviour_checks": len(judged),
        "behaviour_failed": [check["name"] for check in judged if not check["passed"]],
        "behaviour_unknown": [check["name"] for check in judged if check["known"] == 0],
    }


def _dev_profile(predictions: pd.DataFrame) -> Profile:
    dev = predictions[(predictions["split"] == "dev") & ~predictions["leaked"]]
    return profile_of(
        dev["prediction"].to_numpy(),
        dev["probability"].to_numpy(),
        length=dev["length"].to_numpy(),
        unknown=dev["unknown"].to_numpy(),
    )


def _split_metrics(rows: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    return {
        "all": _metrics(rows, calibration),
        "without_leaked_titles": _metrics(rows[~rows["leaked"]], calibration),
    }


def _metrics(rows: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    labels, predictions = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    probabilities = rows[[f"p_{name}" for name in LABELS]].to_numpy()
    before = calibration_metrics(calibration.at_temperature_1(probabilities), labels, predictions)
    return {
        **classification_metrics(labels, predictions),
        "intervals": bootstrap_intervals(confusion_matrix(labels, predictions)),
        "calibration": calibration_metrics(probabilities, labels, predictions),
        "ece_before": before["ece"],
        "temperature": calibration.temperature,
        "by_length": by_length(rows["length"].to_numpy(), labels, predictions),
        "by_unknown": by_unknown(rows["unknown"].to_numpy(), labels, predictions),
    }


def _summarise(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics that the manifest holds."""
    summary = {name: metrics[name] for name in ("rows", "accuracy", "macro_f1")}
    intervals = {name: metrics["intervals"][name] for name in ("accuracy", "macro_f1")}
    recall = metrics["classes"]["positive"]["recall"]
    return {**summary, "positive_recall": recall, "intervals": intervals}
