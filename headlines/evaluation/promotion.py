"""Makes a model the champion: after a training, by the promotion rule, or by force."""

from dataclasses import replace
from typing import Any

from headlines.corpus.dataset import ensure
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation.evaluate import evaluate
from headlines.evaluation.leaderboard import known_evaluations
from headlines.evaluation.promotion_rule import PromotionDecision, judge, not_compared
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot


def champion_to_beat(
    root: DataRoot, model: Artifact, segmenter: dict[str, Any]
) -> Artifact | PromotionDecision:
    """The champion that a newly trained model is compared with, or the decision without one.

    A former champion does not return by itself: someone may have rolled back from it. Nor does a
    model replace a champion that cannot be used.

    Args:
        root: the data root.
        model: the challenger.
        segmenter: fingerprint of the segmenter of the words both are evaluated on.
    """
    version = model.version
    try:
        current = champion.open_champion(root)
        promotions = champion.history(root)
        if current.version == version:
            if [promotion.reason for promotion in promotions] == [champion.FIRST_MODEL]:
                return PromotionDecision(version, None, True, "it is the first model")
            return _already_champion(version)
        if version in (promotion.version for promotion in promotions):
            reason = "it was the champion before and was replaced"
            return not_compared(version, reason, current.version)
        registry.load_scorer(current, segmenter)
    except InputError as error:
        return not_compared(version, f"it cannot be compared with the champion ({error})")
    return current


def promote_better(
    root: DataRoot, challenger: Artifact, champion_evaluation: Artifact
) -> PromotionDecision:
    """Judge by two evaluations, and promote the challenger if the rule allows it.

    Raises:
        InputError: the evaluations are not of the same rows, or the champion changed.
    """
    decision = judge(challenger, champion_evaluation)
    if decision.promoted:
        champion.promote(root, decision.version, decision.summary, instead_of=decision.champion)
    return decision


def promote_by_rule(root: DataRoot, version: str, corpus: str) -> PromotionDecision:
    """Promote a model if the rule allows it, evaluating the two models where needed.

    Without a usable champion there is nothing to compare with, and the model is promoted.

    Args:
        root: the data root.
        version: the model.
        corpus: name of the corpus whose dev split decides.

    Raises:
        InputError: there is no such model or corpus, one of the models cannot be evaluated, or the
            champion changed in the meantime.
    """
    model = registry.open_model(root, version)
    try:
        current = champion.open_champion(root)
        registry.load_scorer(current, current.manifest.config.get("segmenter", {}))
    except InputError as error:
        summary = f"promoted by hand without a comparison: {error.location}: {error.problem}"
        champion.promote(root, version, summary, unless_usable=True)
        return PromotionDecision(version, None, True, summary)
    if current.version == version:
        return _already_champion(version)
    rows = ensure(root, corpus)
    tokens = segment_corpus(root, rows)
    evaluations = [evaluate(root, artifact, rows, tokens) for artifact in (model, current)]
    return promote_better(root, *evaluations)


def promote_by_force(root: DataRoot, version: str) -> PromotionDecision:
    """Promote a model whatever the rule says; the comparison is noted where both were evaluated.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read.
    """
    decision = PromotionDecision(version, None, True, "forced, without a comparison")
    try:
        current = champion.open_champion(root)
        if current.version == version:
            return _already_champion(version)
        ours = _evaluation_of(root, registry.open_model(root, version))
        theirs = _evaluation_of(root, current)
        if ours and theirs:
            judged = judge(ours, theirs)
            against = f"; against it: {'; '.join(judged.reasons)}" if judged.reasons else ""
            decision = replace(judged, promoted=True, summary=f"forced: {judged.summary}{against}")
    except InputError:
        pass  # no champion, or evaluations that cannot be compared: there is nothing to note
    champion.promote(root, version, decision.summary)
    return decision


def _evaluation_of(root: DataRoot, model: Artifact) -> Artifact | None:
    """The evaluation of a model that counts, with its files; None if there is none."""
    evaluation = next(iter(known_evaluations(root, model)), None)
    return root.store.find(evaluation.name, evaluation.manifest.key) if evaluation else None


def _already_champion(version: str) -> PromotionDecision:
    return PromotionDecision(version, None, True, "it is already the champion")
