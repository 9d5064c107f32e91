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
from headlines.storage.artifact import Artifact, have_here
from headlines.storage.layout import Catalog


def champion_to_beat(
    catalog: Catalog, model: Artifact, segmenter: dict[str, Any]
) -> Artifact | PromotionDecision:
    """The champion that a newly trained model is compared with, or the decision without one.

    A former champion does not return by itself: someone may have rolled back from it. Nor does a
    model replace a champion that cannot be used.

    Args:
        catalog: the data root.
        model: the challenger.
        segmenter: fingerprint of the segmenter of the words both are evaluated on.
    """
    version = model.directory.name
    try:
        current = champion.open_champion(catalog)
        promotions = champion.history(catalog)
        if current.directory.name == version:
            if [promotion.reason for promotion in promotions] == [champion.FIRST_MODEL]:
                return PromotionDecision(version, None, True, "it is the first model")
            return _already_champion(version)
        if version in (promotion.version for promotion in promotions):
            reason = "it was the champion before and was replaced"
            return not_compared(version, reason, current.directory.name)
        registry.load_scorer(current, segmenter)
    except InputError as error:
        return not_compared(version, f"it cannot be compared with the champion ({error})")
    return current


def promote_better(
    catalog: Catalog, challenger: Artifact, champion_evaluation: Artifact
) -> PromotionDecision:
    """Judge by two evaluations, and promote the challenger if the rule allows it.

    Raises:
        InputError: the evaluations are not of the same rows, or the champion changed.
    """
    decision = judge(challenger, champion_evaluation)
    if decision.promoted:
        champion.promote(catalog, decision.version, decision.summary, instead_of=decision.champion)
    return decision


def promote_by_rule(catalog: Catalog, version: str, corpus: str) -> PromotionDecision:
    """Promote a model if the rule allows it, evaluating the two models where needed.

    Without a usable champion there is nothing to compare with, and the model is promoted.

    Args:
        catalog: the data root.
        version: the model.
        corpus: name of the corpus whose dev split decides.

    Raises:
        InputError: there is no such model or corpus, one of the models cannot be evaluated, or the
            champion changed in the meantime.
    """
    model = registry.open_model(catalog, version)
    try:
        current = champion.open_champion(catalog)
        registry.load_scorer(current, current.manifest.config.get("segmenter", {}))
    except InputError as error:
        summary = f"promoted by hand without a comparison: {error.location}: {error.problem}"
        champion.promote(catalog, version, summary, unless_usable=True)
        return PromotionDecision(version, None, True, summary)
    if current.directory.name == version:
        return _already_champion(version)
    rows = ensure(catalog, corpus)
    tokens = segment_corpus(catalog, rows)
    evaluations = [evaluate(catalog, artifact, rows, tokens) for artifact in (model, current)]
    return promote_better(catalog, *evaluations)


def promote_by_force(catalog: Catalog, version: str) -> PromotionDecision:
    """Promote a model whatever the rule says; the comparison is noted where both were evaluated.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read.
    """
    decision = PromotionDecision(version, None, True, "forced, without a comparison")
    try:
        current = champion.open_champion(catalog)
        if current.directory.name == version:
            return _already_champion(version)
        known = [
            known_evaluations(catalog, artifact)
            for artifact in (registry.open_model(catalog, version), current)
        ]
        if all(known):
            for evaluations in known:
                have_here(evaluations[0].directory)
            judged = judge(known[0][0], known[1][0])
            against = f"; against it: {'; '.join(judged.reasons)}" if judged.reasons else ""
            decision = replace(judged, promoted=True, summary=f"forced: {judged.summary}{against}")
    except InputError:
        pass  # no champion, or evaluations that cannot be compared: there is nothing to note
    champion.promote(catalog, version, decision.summary)
    return decision


def _already_champion(version: str) -> PromotionDecision:
    return PromotionDecision(version, None, True, "it is already the champion")
