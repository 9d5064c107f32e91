"""Promotion: of the better model, after a training, on request, and by force."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation import promotion
from headlines.evaluation.promotion import champion_to_beat
from headlines.evaluation.promotion_rule import MAX_P_VALUE, PromotionDecision
from headlines.models import champion, registry
from headlines.models.presets import resolve_preset
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.training.train import train
from lstm_model.presets import PRESETS

from .conftest import TRUTH, Ids, wrong_on

# Of the better model


def test_a_better_model_is_promoted_with_metrics_in_the_history(
    catalog: Catalog, publish_evaluation: Callable[..., Artifact]
) -> None:
    better, present = (
        publish_evaluation("better", wrong_on(0.2)),
        publish_evaluation("present", wrong_on(0.4)),
    )
    champion.promote(catalog, "present", "the first model")

    decision = promotion.promote_better(catalog, better, present)

    assert decision.promoted
    assert (decision.version, decision.champion, decision.reasons) == ("better", "present", ())
    assert decision.comparison is not None
    assert decision.comparison.rows == 270
    assert decision.comparison.macro_f1.p < MAX_P_VALUE
    assert champion.open_champion(catalog).directory.name == "better"
    reason = champion.history(catalog)[-1].reason
    assert reason == decision.summary
    ours, theirs = (decision.figures[who]["macro_f1"] for who in ("challenger", "champion"))
    assert f"dev macro-F1 {ours:.3f}, that of present {theirs:.3f}: +{ours - theirs:.3f}" in reason
    assert "270 headlines" in reason
    assert json.loads(json.dumps(decision.to_dict()))["comparison"]["rows"] == 270
    # A retry of a finished run gives the same result and does nothing.
    assert promotion.promote_better(catalog, better, present) == decision
    assert len(champion.history(catalog)) == 2


def test_not_promoted_if_the_champion_changed(
    catalog: Catalog,
    publish_evaluation: Callable[..., Artifact],
    publish_model: Callable[..., Artifact],
) -> None:
    better, present = (
        publish_evaluation("better", wrong_on(0.2)),
        publish_evaluation("present", wrong_on(0.4)),
    )
    for version in ("present", publish_model(catalog, "another").directory.name):
        champion.promote(catalog, version, "another run was first")
    with pytest.raises(InputError, match="another became champion in the meantime"):
        promotion.promote_better(catalog, better, present)
    assert champion.open_champion(catalog).directory.name == "another"


def with_one_more_right(predictions: Ids) -> Ids:
    better = predictions.copy()
    place = np.flatnonzero(better != TRUTH)[7]
    better[place] = TRUTH[place]
    return better


@pytest.mark.parametrize(
    "predictions",
    [wrong_on(0.4), with_one_more_right(wrong_on(0.4)), wrong_on(0.38, seed=1), wrong_on(0.6)],
    ids=["equal", "better by a row", "better by chance", "worse"],
)
def test_a_model_that_is_not_shown_to_be_better_is_refused(
    catalog: Catalog, publish_evaluation: Callable[..., Artifact], predictions: Ids
) -> None:
    challenger, present = (
        publish_evaluation("new", predictions),
        publish_evaluation("present", wrong_on(0.4)),
    )
    champion.promote(catalog, "present", "the first model")
    before = catalog.champion.read_bytes()

    decision = promotion.promote_better(catalog, challenger, present)

    assert not decision.promoted
    assert "is not shown to be better than the champion's" in decision.reasons[0]
    assert "p " in decision.reasons[0]
    assert catalog.champion.read_bytes() == before


# After a training


WORDS = Segmenter().fingerprint()


@pytest.fixture
def models(catalog: Catalog, publish_model: Callable[..., Artifact]) -> dict[str, Artifact]:
    """A former champion, the current one, and a new model."""
    made = {name: publish_model(catalog, name, seed=n) for n, name in enumerate(("a", "b", "c"))}
    for version in ("a", "b"):
        champion.promote(catalog, version, "a test")
    return made


def test_a_new_model_is_compared_with_the_champion(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    assert champion_to_beat(catalog, models["c"], WORDS) == champion.open_champion(catalog)


def test_the_champion_is_not_compared_with_itself(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    found = champion_to_beat(catalog, models["b"], WORDS)
    assert found == PromotionDecision("b", None, True, "it is already the champion")


def test_the_first_model_is_named_first_until_replaced(
    catalog: Catalog, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(catalog)
    first = publish_model(catalog, "a")
    champion.finish_first_promotion(catalog)
    assert champion_to_beat(catalog, first, WORDS) == PromotionDecision(
        "a", None, True, "it is the first model"
    )
    publish_model(catalog, "b", seed=1)
    for version in ("b", "a"):
        champion.promote(catalog, version, "a test")
    found = champion_to_beat(catalog, first, WORDS)
    assert found == PromotionDecision("a", None, True, "it is already the champion")


def test_a_manual_champion_is_not_named_the_first_model(
    catalog: Catalog, publish_model: Callable[..., Artifact]
) -> None:
    model = publish_model(catalog, "a")
    champion.promote(catalog, "a", "by hand")
    found = champion_to_beat(catalog, model, WORDS)
    assert found == PromotionDecision("a", None, True, "it is already the champion")


def test_a_rolled_back_model_does_not_return_by_itself(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    champion.rollback(catalog)
    found = champion_to_beat(catalog, models["b"], WORDS)
    assert isinstance(found, PromotionDecision)
    assert (found.promoted, found.champion) == (False, "a")
    assert "it was the champion before" in found.reasons[0]


@pytest.mark.parametrize("harm", ["pointer lost", "pointer unreadable", "damaged", "gone", "words"])
def test_an_unusable_champion_is_not_replaced_by_itself(
    catalog: Catalog, models: dict[str, Artifact], harm: str
) -> None:
    words = WORDS
    if harm == "pointer lost":
        catalog.champion.unlink()
    elif harm == "pointer unreadable":
        catalog.champion.write_text("{}")
    elif harm == "damaged":
        (catalog.model("b") / "history.json").write_text("{}")
    elif harm == "gone":
        catalog.model("b").rename(catalog.root / "moved")
    else:
        words = Segmenter(mode="search").fingerprint()
    found = champion_to_beat(catalog, models["c"], words)
    assert isinstance(found, PromotionDecision)
    assert not found.promoted
    assert found.reasons[0].startswith("it cannot be compared with the champion (")
    assert str(catalog.models) in found.reasons[0]


# On request


def test_an_unusable_champion_is_replaced_on_request(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    for number, harm in enumerate(
        (catalog.champion.unlink, lambda: catalog.champion.write_text(""))
    ):
        harm()
        version = "ac"[number]
        decision = promotion.promote_by_rule(catalog, version, "none")
        assert (decision.promoted, decision.comparison) == (True, None)
        assert champion.open_champion(catalog) == registry.open_model(catalog, version)
        reason = champion.history(catalog)[-1].reason
        assert reason.startswith("promoted by hand without a comparison: ")
        assert str(catalog.champion) in reason


def test_a_champion_of_another_format_can_be_replaced(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    def write(draft: Path) -> dict[str, Any]:
        (draft / "config.json").write_text('{"format": "lstm_model.bundle/1"}')
        return {}

    publish(catalog, catalog.model("b"), Recipe("model", 1, (), {"segmenter": WORDS}), write)
    assert promotion.promote_by_rule(catalog, "c", "none").promoted
    assert "lstm_model.bundle/1" in champion.history(catalog)[-1].reason


def test_a_new_champion_is_not_replaced_without_comparison(
    catalog: Catalog, models: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.champion.unlink()
    current = champion.open_champion

    def overtaken(catalog: Catalog) -> Artifact:
        """Read the champion just before someone else promotes a model."""
        monkeypatch.setattr(champion, "open_champion", current)
        try:
            return current(catalog)
        finally:
            champion.promote(catalog, "b", "someone else")

    monkeypatch.setattr(champion, "open_champion", overtaken)
    with pytest.raises(InputError, match="b became champion in the meantime"):
        promotion.promote_by_rule(catalog, "c", "none")
    assert champion.open_champion(catalog).directory == models["b"].directory


def test_the_champion_stays_when_it_is_promoted_again(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    before = catalog.champion.read_bytes()
    for promote in (
        lambda: promotion.promote_by_rule(catalog, "b", "none"),
        lambda: promotion.promote_by_force(catalog, "b"),
    ):
        assert promote().summary == "it is already the champion"
    assert catalog.champion.read_bytes() == before


def test_a_forced_promotion_notes_the_comparison(
    catalog: Catalog,
    publish_evaluation: Callable[..., Artifact],
    publish_model: Callable[..., Artifact],
) -> None:
    publish_evaluation("present", wrong_on(0.1))
    publish_evaluation("worse", wrong_on(0.8), behaves=0.5)
    publish_evaluation("elsewhere", wrong_on(0.1), titles="另{}号")
    publish_model(catalog, "unknown")
    champion.promote(catalog, "present", "the first model")
    for version, expected in (
        ("worse", "forced: dev macro-F1 0.1"),
        ("elsewhere", "forced, without a comparison"),
        ("unknown", "forced, without a comparison"),
        ("present", "forced, without a comparison"),
    ):
        decision = promotion.promote_by_force(catalog, version)
        assert decision.promoted
        assert champion.open_champion(catalog).directory.name == version
        reason = champion.history(catalog)[-1].reason
        assert reason == decision.summary
        assert reason.startswith(expected)
        assert ("against it: its dev macro-F1" in reason) is (version == "worse")
        assert ("it fails behaviour checks" in reason) is (version == "worse")
    with pytest.raises(InputError, match="there is no model 'none'"):
        promotion.promote_by_force(catalog, "none")


@pytest.mark.usefixtures("small_preset")
def test_trained_models_are_evaluated_and_the_better_promoted(
    catalog: Catalog, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = ingest(catalog, "news", str(corpus_file))
    tokens = segment_corpus(catalog, corpus)
    small = PRESETS["small"]
    learnt = dataclasses.replace(small, name="learnt", epochs=30, learning_rate=0.02)
    lazy = dataclasses.replace(small, name="lazy", epochs=1, learning_rate=1e-6)
    for preset in (learnt, lazy):
        monkeypatch.setitem(PRESETS, preset.name, preset)
    first, second = (
        train(catalog, corpus, tokens, resolve_preset(name)).directory.name
        for name in ("lazy", "learnt")
    )
    assert champion.open_champion(catalog).directory.name == first

    decision = promotion.promote_by_rule(catalog, second, "news")

    assert decision.promoted, decision
    assert champion.open_champion(catalog).directory.name == second
    again = promotion.promote_by_rule(catalog, first, "news")
    assert not again.promoted
    assert again.champion == second
    assert champion.open_champion(catalog).directory.name == second
    assert len(list((catalog.reports / "evaluation").iterdir())) == 2  # each evaluated once
