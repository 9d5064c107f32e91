"""Evaluates a model on the held-out splits of a corpus, headline by headline."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.evaluation.baseline import baseline, compare_with_baseline
from headlines.evaluation.behaviour import behaviour
from headlines.evaluation.held_out import HeldOutPredictions, held_out
from headlines.evaluation.report import SHOWN, write_evaluation_report
from headlines.evaluation.tables import with_titles, write_tables
from headlines.labels import LABELS
from headlines.metrics.bootstrap import bootstrap_intervals
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics, confusion_matrix
from headlines.metrics.profile import Profile, oov_rates, profile_of
from headlines.metrics.slices import by_length, by_unknown
from headlines.models import registry
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from lstm_model.calibration import Calibration
from lstm_model.vocabulary import UNKNOWN

HELD_OUT = ("dev", "test")


def evaluate(catalog: Catalog, model: Artifact, corpus: Artifact, tokens: Artifact) -> Artifact:
    """Evaluate a model, or reuse the evaluation that is there.

    The artifact holds
    - `metrics.json`: by split, with and without the titles that also stand in train, figures with
      intervals, calibration before and after the temperature (which was fitted on dev, so that of
      test tells more), results by length and unknown words;
    - `output_check` (every held-out headline with label, prediction and probabilities), `mistakes`
      (those that are wrong, the most confident first) and `doubted` (those whose label may be
      wrong, the likeliest first), each as Parquet and CSV;
    - `baseline.json`: the figures of a linear classifier, and how far the model is above it;
    - `behaviour.json`: what the model does to headlines of dev that are changed;
    - `reference.json`: what the headlines of dev look like to the model; see `reference_of`;
    - `report.html`.
    """
    beside = baseline(catalog, corpus, tokens, registry.preset_of(model))
    made_from = (model, corpus, tokens)
    recipe = Recipe(
        "evaluation",
        STAGES["evaluation"].version,
        (*(artifact.as_source(catalog) for artifact in made_from), *beside.sources(catalog)),
        {"splits": list(HELD_OUT)},
    )

    def write_evaluation(draft: Path) -> dict[str, Any]:
        calibration = registry.load_scorer(model, tokens.manifest.config["segmenter"]).calibration
        labelled = held_out(catalog, model, corpus, tokens, HELD_OUT)
        checked = labelled.checked
        mistakes, doubts = write_tables(draft, labelled)
        metrics = {
            split: _by_part(checked[checked["split"] == split], calibration) for split in HELD_OUT
        }
        [dev] = np.nonzero(checked["split"] == "dev")
        documents: dict[str, dict[str, Any]] = {
            "metrics": metrics,
            "baseline": compare_with_baseline(beside, checked),
            "behaviour": _behaviour(model, labelled, dev),
            "reference": _reference(checked).to_dict(),
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
            with_titles(labelled, mistakes.head(SHOWN)),
            with_titles(labelled, doubts.head(SHOWN)),
            {"mistakes": len(mistakes), "doubted": len(doubts)},
        )
        return {
            "rows": len(checked),
            "mistakes": len(mistakes),
            "doubted": len(doubts),
            **_baseline_counts(documents["baseline"]),
            **_behaviour_counts(documents["behaviour"]),
            "metrics": {
                split: {part: _shortened(numbers) for part, numbers in by_part.items()}
                for split, by_part in metrics.items()
            },
        }

    target = catalog.evaluation(model.directory.name, recipe.key)
    return publish(catalog, target, recipe, write_evaluation)


def reference_profile(evaluation: Artifact) -> Profile:
    """What headlines look like that the model was evaluated on: those of dev, but leaked ones.

    Headlines to be scored are compared with it. Of those of train the model knows every word.
    """
    text = (evaluation.directory / "reference.json").read_text(encoding="utf-8")
    return Profile.from_dict(json.loads(text))


def _behaviour(
    model: Artifact, labelled: HeldOutPredictions, rows: npt.NDArray[np.intp]
) -> dict[str, Any]:
    segmenter = Segmenter.from_environment()
    scorer = registry.load_scorer(model, segmenter.fingerprint())
    texts = labelled.contents(rows).to_pylist() if scorer.preset.contents else ()
    contents = article_tokens(scorer.preset, segmenter, texts)

    def classify(
        changed: Sequence[str], places: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
        beside = None if contents is None else [contents[place] for place in places]
        probabilities = scorer.predict(segmenter.cut(changed), beside)
        return probabilities, scorer.labels(probabilities)

    def known(text: str) -> float:
        ids, words = scorer.vocabulary.ids(segmenter.cut([text]))
        return float(1 - oov_rates(ids != UNKNOWN, words)[0])

    return behaviour(labelled.titles(rows).to_pylist(), classify, known)


def _baseline_counts(found: dict[str, Any]) -> dict[str, Any]:
    dev = found["dev"]["without_leaked_titles"] if found["measured"] else {"macro_f1": None}
    return {
        "baseline_beaten": found["beaten"],
        "baseline_macro_f1": dev["macro_f1"],
        "baseline_why_not": found["why_not"],
    }


def _behaviour_counts(found: dict[str, Any]) -> dict[str, Any]:
    judged = [check for check in found["checks"] if check["judged"]]
    return {
        "behaviour_passed": found["passed"],
        "behaviour_checks": len(judged),
        "behaviour_failed": [check["name"] for check in judged if not check["passed"]],
        "behaviour_unknown": [check["name"] for check in judged if check["known"] == 0],
    }


def _reference(checked: pd.DataFrame) -> Profile:
    dev = checked[(checked["split"] == "dev") & ~checked["leaked"]]
    return profile_of(
        dev["prediction"].to_numpy(),
        dev["probability"].to_numpy(),
        length=dev["length"].to_numpy(),
        unknown=dev["unknown"].to_numpy(),
    )


def _by_part(checked: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    return {
        "all": _metrics(checked, calibration),
        "without_leaked_titles": _metrics(checked[~checked["leaked"]], calibration),
    }


def _metrics(checked: pd.DataFrame, calibration: Calibration) -> dict[str, Any]:
    labels, predictions = checked["label"].to_numpy(), checked["prediction"].to_numpy()
    probabilities = checked[[f"p_{name}" for name in LABELS]].to_numpy()
    before = calibration_metrics(calibration.at_temperature_1(probabilities), labels, predictions)
    return {
        **classification_metrics(labels, predictions),
        "intervals": bootstrap_intervals(confusion_matrix(labels, predictions)),
        "calibration": calibration_metrics(probabilities, labels, predictions),
        "ece_before": before["ece"],
        "temperature": calibration.temperature,
        "by_length": by_length(checked["length"].to_numpy(), labels, predictions),
        "by_unknown": by_unknown(checked["unknown"].to_numpy(), labels, predictions),
    }


def _shortened(numbers: dict[str, Any]) -> dict[str, Any]:
    """What the manifest tells of the figures."""
    figures_alone = {name: numbers[name] for name in ("rows", "accuracy", "macro_f1")}
    spans = {name: numbers["intervals"][name] for name in ("accuracy", "macro_f1")}
    return {**figures_alone, "intervals": spans}
