"""Which model may become the champion: a rule, on held-out headlines that both have labelled."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from headlines.corpus.dataset import ensure
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation.evaluate import evaluate
from headlines.evaluation.leaderboard import known_evaluations
from headlines.metrics.bootstrap import Comparison, paired_bootstrap
from headlines.metrics.classification import classification_metrics
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact, have_here
from headlines.storage.layout import Catalog

# Of the one-sided test: of challengers that are no better, one in twenty is taken for better.
MAX_P_VALUE = 0.05
# Of a class's F1. The smallest class of the iNews dev split has so few headlines that one of them
# more or less moves its F1 by about half of this; what is beyond is not for one headline to decide.
MAX_CLASS_F1_LOSS = 0.02

_ROWS = ["row", "title", "label"]  # which headlines, and what is right of them


@dataclass(frozen=True)
class PromotionDecision:
    """What became of a model that could have become the champion.

    Attributes:
        version: the model, the challenger.
        champion: the champion that it was compared with, or that stays without a comparison; None
            where there is no other one, or none that can be used.
        promoted: whether the rule is for it; as a result, whether it is the champion now.
        summary: in one sentence, with the figures; the champion's history keeps it.
        reasons: what spoke against it, a sentence each.
        figures: of `challenger` and `champion` each `accuracy` and `macro_f1` on the compared rows.
        comparison: challenger less champion, on the same rows.
    """

    version: str
    champion: str | None
    promoted: bool
    summary: str
    reasons: tuple[str, ...] = ()
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    comparison: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def judge(challenger: Artifact, champion: Artifact) -> PromotionDecision:
    """Judge a model by its evaluation and the champion's, both on the same corpus.

    It is for the challenger only if all of this holds on the dev rows whose titles do not also
    stand in train:
    - its macro-F1 is better than the champion's by a paired test (p below `LARGEST_P`);
    - no class's F1 is lower than the champion's by more than `LARGEST_LOSS`;
    - it fails no behaviour check that the champion passes or is better at: a floor that nothing
      reaches yet must not keep the better of two models from scoring.
    The test split is not looked at: it would be used up by choosing models with it. Whether one of
    the two was trained on these rows as part of another corpus cannot be told here.

    Raises:
        InputError: the two were not evaluated on the same rows.
    """
    ours, theirs = _dev(challenger), _dev(champion)
    versions = _version(challenger), _version(champion)
    if not ours[_ROWS].equals(theirs[_ROWS]):
        raise InputError(
            f"{versions[0]} and {versions[1]} were not evaluated on the same dev headlines "
            f"({len(ours)} and {len(theirs)})",
            str(challenger.directory),
            "evaluate both on one corpus with a dev split",
        )
    if ours.empty:
        return _refused(versions[0], "there are no dev headlines to compare it on", versions[1])
    labels = ours["label"].to_numpy()
    predicted = [frame["prediction"].to_numpy() for frame in (ours, theirs)]
    comparison = paired_bootstrap(labels, *predicted)
    told = [_figures(labels, predictions) for predictions in predicted]
    reasons = [
        *_not_better(comparison, told[0]["macro_f1"], told[1]["macro_f1"]),
        *_classes_lost(comparison),
        *_behaviour_regressions(challenger, champion),
    ]
    difference = comparison.macro_f1
    return PromotionDecision(
        version=versions[0],
        champion=versions[1],
        promoted=not reasons,
        summary=f"dev macro-F1 {told[0]['macro_f1']:.3f}, that of {versions[1]} "
        f"{told[1]['macro_f1']:.3f}: {difference.difference:+.3f} ({difference.low:+.3f} to "
        f"{difference.high:+.3f}), p {difference.p:.4f}, {comparison.rows} headlines",
        reasons=tuple(reasons),
        figures={"challenger": told[0], "champion": told[1]},
        comparison=comparison,
    )


def champion_to_beat(
    catalog: Catalog, model: Artifact, segmenter: dict[str, Any]
) -> Artifact | PromotionDecision:
    """The champion that a model from training is to be compared with, or the verdict without.

    A model that was the champion before does not come back by itself: someone may have rolled back
    from it. Nor does one take the place of a champion that cannot be used.

    Args:
        catalog: the data root.
        model: the challenger.
        segmenter: the fingerprint of the segmenter whose words both are evaluated on.
    """
    version = model.directory.name
    try:
        present = champion.open_champion(catalog)
        promotions = champion.history(catalog)
        if present.directory.name == version:
            first = [promotion.reason for promotion in promotions] == [champion.FIRST]
            return _first(version) if first else _champion_already(version)
        if version in (promotion.version for promotion in promotions):
            reason = "it was the champion before, and another one took its place"
            return _refused(version, reason, present.directory.name)
        registry.load_scorer(present, segmenter)
    except InputError as error:
        return _refused(version, f"it cannot be compared with the champion ({error})")
    return present


def promote_better(
    catalog: Catalog, challenger: Artifact, champion_now: Artifact
) -> PromotionDecision:
    """Judge by two evaluations, and promote the challenger if the rule is for it.

    Raises:
        InputError: the evaluations are not of the same rows, or of a champion that is none any
            more.
    """
    verdict = judge(challenger, champion_now)
    if verdict.promoted:
        champion.promote(catalog, verdict.version, verdict.summary, instead_of=verdict.champion)
    return verdict


def promote_by_rule(catalog: Catalog, version: str, corpus: str) -> PromotionDecision:
    """Promote a model if the rule is for it; evaluate what was not yet evaluated.

    Where there is no champion that can be used, there is nothing to compare with: it is promoted.

    Args:
        catalog: the data root.
        version: the model.
        corpus: name of the corpus whose dev split decides.

    Raises:
        InputError: there is no such model or corpus, one of the models cannot be evaluated, or
            another one has become the champion meanwhile.
    """
    model = registry.open_model(catalog, version)
    try:
        present = champion.open_champion(catalog)
        registry.load_scorer(present, present.manifest.config.get("segmenter", {}))
    except InputError as error:
        summary = f"promoted by hand without a comparison: {error.location}: {error.problem}"
        champion.promote(catalog, version, summary, unless_usable=True)
        return PromotionDecision(version, None, True, summary)
    if present.directory.name == version:
        return _champion_already(version)
    rows = ensure(catalog, corpus)
    tokens = segment_corpus(catalog, rows)
    evaluations = [evaluate(catalog, each, rows, tokens) for each in (model, present)]
    return promote_better(catalog, *evaluations)


def promote_by_force(catalog: Catalog, version: str) -> PromotionDecision:
    """Promote a model whatever the rule says; what it says is noted where both were evaluated.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read.
    """
    verdict = PromotionDecision(version, None, True, "forced, without a comparison")
    try:
        present = champion.open_champion(catalog)
        if present.directory.name == version:
            return _champion_already(version)
        known = [
            known_evaluations(catalog, each)
            for each in (registry.open_model(catalog, version), present)
        ]
        if all(known):
            for evaluations in known:
                have_here(evaluations[0].directory)
            judged = judge(known[0][0], known[1][0])
            against = f"; against it: {'; '.join(judged.reasons)}" if judged.reasons else ""
            verdict = replace(judged, promoted=True, summary=f"forced: {judged.summary}{against}")
    except InputError:
        pass  # no champion, or evaluations that cannot be compared: there are no figures to note
    champion.promote(catalog, version, verdict.summary)
    return verdict


def _first(version: str) -> PromotionDecision:
    return PromotionDecision(version, None, True, "it is the first model")


def _champion_already(version: str) -> PromotionDecision:
    return PromotionDecision(version, None, True, "it was the champion already")


def _refused(version: str, reason: str, present: str | None = None) -> PromotionDecision:
    summary = "it was not compared with the champion"
    return PromotionDecision(version, present, False, summary, (reason,))


def _dev(evaluation: Artifact) -> pd.DataFrame:
    """The dev rows whose titles do not stand in train, in their order."""
    columns = ["split", "leaked", "prediction", *_ROWS]
    path = evaluation.directory / "output_check.parquet"
    frame = pd.read_parquet(path, columns=columns)
    frame = frame[(frame["split"] == "dev") & ~frame["leaked"]]
    return frame.sort_values("row", ignore_index=True)


def _version(evaluation: Artifact) -> str:
    return Path(evaluation.manifest.inputs[0].path).name


def _figures(labels: Any, predictions: Any) -> dict[str, float]:
    told = classification_metrics(labels, predictions)
    return {name: told[name] for name in ("accuracy", "macro_f1")}


def _not_better(comparison: Comparison, ours: float, theirs: float) -> list[str]:
    found = comparison.macro_f1
    if found.p < MAX_P_VALUE:
        return []
    return [
        f"its dev macro-F1 of {ours:.3f} is not shown to be better than the champion's "
        f"{theirs:.3f} ({found.difference:+.3f}, p {found.p:.4f}; it must be below {MAX_P_VALUE})"
    ]


def _classes_lost(comparison: Comparison) -> list[str]:
    return [
        f"its F1 of the class {name} is {-difference:.3f} lower than the champion's (at most "
        f"{MAX_CLASS_F1_LOSS} is let pass)"
        for name, difference in comparison.classes.items()
        if difference < -MAX_CLASS_F1_LOSS
    ]


def _behaviour_regressions(challenger: Artifact, champion: Artifact) -> list[str]:
    ours, theirs = _checks(challenger), _checks(champion)
    if ours is None:
        return ["its behaviour was not checked"]
    failed = [
        f"{name} ({check['share']:.3f})"
        for name, check in ours.items()
        if not check["passed"] and not _no_worse(check, (theirs or {}).get(name))
    ]
    told = ", ".join(failed)
    return [f"it fails behaviour checks that the champion passes or is better at: {told}"] * bool(
        failed
    )


def _no_worse(check: dict[str, Any], champions: dict[str, Any] | None) -> bool:
    """Whether the champion fails a behaviour check too, and is no better at it.

    There is no slack: a little at every promotion would add up.
    """
    if champions is None or champions["passed"]:
        return False
    return bool(check["share"] >= champions["share"])


def _checks(evaluation: Artifact) -> dict[str, dict[str, Any]] | None:
    path = evaluation.directory / "behaviour.json"
    if not path.is_file():
        return None
    checks = json.loads(path.read_text(encoding="utf-8"))["checks"]
    return {check["name"]: check for check in checks}
