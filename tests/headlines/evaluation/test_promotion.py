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
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.training.train import train
from lstm_model.presets import PRESETS

from .conftest import TRUTH, Ids, wrong_on

# Of the better model


def test_a_better_model_is_promoted_with_metrics_in_the_history(
    root: DataRoot, publish_evaluation: Callable[..., Artifact]
) -> None:
    better, present = (
        publish_evaluation("better", wrong_on(0.2)),
        publish_evaluation("present", wrong_on(0.4)),
    )
    champion.promote(root, "present", "the first model")

    decision = promotion.promote_better(root, better, present)

    assert decision.promoted
    assert (decision.version, decision.champion, decision.reasons) == ("better", "present", ())
    assert decision.comparison is not None
    assert decision.comparison.rows == 270
    assert decision.cross_entropy is not None
    assert decision.cross_entropy.p < MAX_P_VALUE
    assert champion.open_champion(root).version == "better"
    reason = champion.history(root)[-1].reason
    assert reason == decision.summary
    ours, theirs = (decision.figures[who]["cross_entropy"] for who in ("challenger", "champion"))
    assert (
        f"dev cross-entropy {ours:.3f}, that of present {theirs:.3f}: {ours - theirs:.3f}" in reason
    )
    assert "270 headlines" in reason
    assert json.loads(json.dumps(decision.to_dict()))["comparison"]["rows"] == 270
    # A retry of a finished run gives the same result and does nothing.
    assert promotion.promote_better(root, better, present) == decision
    assert len(champion.history(root)) == 2


def test_not_promoted_if_the_champion_changed(
    root: DataRoot,
    publish_evaluation: Callable[..., Artifact],
    publish_model: Callable[..., Artifact],
) -> None:
    better, present = (
        publish_evaluation("better", wrong_on(0.2)),
        publish_evaluation("present", wrong_on(0.4)),
    )
    for version in ("present", publish_model(root, "another").version):
        champion.promote(root, version, "another run was first")
    with pytest.raises(InputError, match="another became champion in the meantime"):
        promotion.promote_better(root, better, present)
    assert champion.open_champion(root).version == "another"


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
    root: DataRoot, publish_evaluation: Callable[..., Artifact], predictions: Ids
) -> None:
    challenger, present = (
        publish_evaluation("new", predictions),
        publish_evaluation("present", wrong_on(0.4)),
    )
    champion.promote(root, "present", "the first model")
    before = root.store.path(root.champion).read_bytes()

    decision = promotion.promote_better(root, challenger, present)

    assert not decision.promoted
    assert "is not shown to be lower than the champion's" in decision.reasons[0]
    assert "p " in decision.reasons[0]
    assert root.store.path(root.champion).read_bytes() == before


# After a training


WORDS = Segmenter().fingerprint()


@pytest.fixture
def models(root: DataRoot, publish_model: Callable[..., Artifact]) -> dict[str, Artifact]:
    """A former champion, the current one, and a new model."""
    made = {name: publish_model(root, name, seed=n) for n, name in enumerate(("a", "b", "c"))}
    for version in ("a", "b"):
        champion.promote(root, version, "a test")
    return made


def test_a_new_model_is_compared_with_the_champion(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    assert champion_to_beat(root, models["c"], WORDS) == champion.open_champion(root)


def test_the_champion_is_not_compared_with_itself(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    found = champion_to_beat(root, models["b"], WORDS)
    assert found == PromotionDecision("b", None, True, "it is already the champion")


def test_the_first_model_is_named_first_until_replaced(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    first = publish_model(root, "a")
    champion.finish_first_promotion(root)
    assert champion_to_beat(root, first, WORDS) == PromotionDecision(
        "a", None, True, "it is the first model"
    )
    publish_model(root, "b", seed=1)
    for version in ("b", "a"):
        champion.promote(root, version, "a test")
    found = champion_to_beat(root, first, WORDS)
    assert found == PromotionDecision("a", None, True, "it is already the champion")


def test_a_manual_champion_is_not_named_the_first_model(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    model = publish_model(root, "a")
    champion.promote(root, "a", "by hand")
    found = champion_to_beat(root, model, WORDS)
    assert found == PromotionDecision("a", None, True, "it is already the champion")


def test_a_rolled_back_model_does_not_return_by_itself(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    champion.rollback(root)
    found = champion_to_beat(root, models["b"], WORDS)
    assert isinstance(found, PromotionDecision)
    assert (found.promoted, found.champion) == (False, "a")
    assert "it was the champion before" in found.reasons[0]


@pytest.mark.parametrize("harm", ["pointer lost", "pointer unreadable", "damaged", "gone", "words"])
def test_an_unusable_champion_is_not_replaced_by_itself(
    root: DataRoot, models: dict[str, Artifact], harm: str
) -> None:
    words = WORDS
    if harm == "pointer lost":
        root.store.path(root.champion).unlink()
    elif harm == "pointer unreadable":
        root.store.path(root.champion).write_text("{}")
    elif harm == "damaged":
        (root.store.path(root.model("b")) / "history.json").write_text("{}")
    elif harm == "gone":
        root.store.path(root.model("b")).rename(root.store.directory / "moved")
    else:
        words = Segmenter(mode="search").fingerprint()
    found = champion_to_beat(root, models["c"], words)
    assert isinstance(found, PromotionDecision)
    assert not found.promoted
    assert found.reasons[0].startswith("it cannot be compared with the champion (")
    assert root.location(root.models) in found.reasons[0]


# On request


def test_an_unusable_champion_is_replaced_on_request(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    for number, harm in enumerate(
        (
            root.store.path(root.champion).unlink,
            lambda: root.store.path(root.champion).write_text(""),
        )
    ):
        harm()
        version = "ac"[number]
        decision = promotion.promote_by_rule(root, version, "none")
        assert (decision.promoted, decision.comparison) == (True, None)
        assert champion.open_champion(root) == registry.open_model(root, version)
        reason = champion.history(root)[-1].reason
        assert reason.startswith("promoted by hand without a comparison: ")
        assert root.location(root.champion) in reason


def test_a_champion_of_another_format_can_be_replaced(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    def write(draft: Path) -> dict[str, Any]:
        (draft / "config.json").write_text('{"format": "lstm_model.bundle/1"}')
        return {}

    root.store.publish(root.model("b"), Recipe("model", 1, (), {"segmenter": WORDS}), write)
    assert promotion.promote_by_rule(root, "c", "none").promoted
    assert "lstm_model.bundle/1" in champion.history(root)[-1].reason


def test_a_new_champion_is_not_replaced_without_comparison(
    root: DataRoot, models: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    root.store.path(root.champion).unlink()
    current = champion.open_champion

    def overtaken(root: DataRoot) -> Artifact:
        """Read the champion just before someone else promotes a model."""
        monkeypatch.setattr(champion, "open_champion", current)
        try:
            return current(root)
        finally:
            champion.promote(root, "b", "someone else")

    monkeypatch.setattr(champion, "open_champion", overtaken)
    with pytest.raises(InputError, match="b became champion in the meantime"):
        promotion.promote_by_rule(root, "c", "none")
    assert champion.open_champion(root).directory == models["b"].directory


def test_the_champion_stays_when_it_is_promoted_again(
    root: DataRoot, models: dict[str, Artifact]
) -> None:
    before = root.store.path(root.champion).read_bytes()
    for promote in (
        lambda: promotion.promote_by_rule(root, "b", "none"),
        lambda: promotion.promote_by_force(root, "b"),
    ):
        assert promote().summary == "it is already the champion"
    assert root.store.path(root.champion).read_bytes() == before


def test_a_forced_promotion_notes_the_comparison(
    root: DataRoot,
    publish_evaluation: Callable[..., Artifact],
    publish_model: Callable[..., Artifact],
) -> None:
    publish_evaluation("present", wrong_on(0.1))
    publish_evaluation("worse", wrong_on(0.8), behaves=0.5)
    publish_evaluation("elsewhere", wrong_on(0.1), titles="另{}号")
    publish_model(root, "unknown")
    champion.promote(root, "present", "the first model")
    for version, expected in (
        ("worse", "forced: dev cross-entropy 1.9"),
        ("elsewhere", "forced, without a comparison"),
        ("unknown", "forced, without a comparison"),
        ("present", "forced, without a comparison"),
    ):
        decision = promotion.promote_by_force(root, version)
        assert decision.promoted
        assert champion.open_champion(root).version == version
        reason = champion.history(root)[-1].reason
        assert reason == decision.summary
        assert reason.startswith(expected)
        assert ("against it: its dev cross-entropy" in reason) is (version == "worse")
        assert ("it fails behaviour checks" in reason) is (version == "worse")
    with pytest.raises(InputError, match="there is no model 'none'"):
        promotion.promote_by_force(root, "none")


@pytest.mark.integration
@pytest.mark.usefixtures("small_preset")
def test_trained_models_are_evaluated_and_the_better_promoted(
    root: DataRoot, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = ingest(root, "news", str(corpus_file))
    tokens = segment_corpus(root, corpus)
    small = PRESETS["small"]
    learnt = dataclasses.replace(small, name="learnt", epochs=30, learning_rate=0.02)
    lazy = dataclasses.replace(small, name="lazy", epochs=1, learning_rate=1e-6)
    for preset in (learnt, lazy):
        monkeypatch.setitem(PRESETS, preset.name, preset)
    first, second = (
        train(root, corpus, tokens, resolve_preset(name)).version for name in ("lazy", "learnt")
    )
    assert champion.open_champion(root).version == first

    decision = promotion.promote_by_rule(root, second, "news")

    assert decision.promoted, decision
    assert champion.open_champion(root).version == second
    again = promotion.promote_by_rule(root, first, "news")
    assert not again.promoted
    assert again.champion == second
    assert champion.open_champion(root).version == second
    assert len(root.store.list_artifacts(root.evaluations)) == 2  # each evaluated once
