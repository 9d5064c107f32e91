"""The rule of promotion: what it lets pass, what it refuses and why, and what it never looks at."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation import promotion
from headlines.evaluation.promotion import champion_to_beat
from headlines.evaluation.promotion_rule import MAX_P_VALUE, PromotionDecision, judge
from headlines.labels import LABELS
from headlines.models import champion, registry
from headlines.models.presets import resolve_preset
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.training.train import train
from lstm_model.presets import PRESETS

ROWS = 300
FLOOR = 0.8  # of a behaviour check
TRUTH = np.repeat(np.arange(3), ROWS // 3)
Ids = npt.NDArray[np.int64]


def wrong_on(share: float, seed: int = 0, truth: Ids = TRUTH) -> Ids:
    """Predictions that are wrong on so many rows of each class; on those of a smaller share too."""
    order = np.random.default_rng(seed).permutation(len(truth) // 3)
    wrong = np.tile(order < round(share * len(order)), 3)
    return np.where(wrong, (truth + 1) % 3, truth)


@pytest.fixture
def evaluated(catalog: Catalog, publish_model: Callable[..., Artifact]) -> Callable[..., Artifact]:
    """Publishes the evaluation of a model that predicts so; every tenth title is a leaked one."""

    def publish_evaluation(
        version: str,
        dev: Ids,
        test: Ids = TRUTH,
        truth: Ids = TRUTH,
        titles: str = "第{}号",
        behaves: float | None = 0.9,
    ) -> Artifact:
        model = publish_model(catalog, version, seed=len(registry.versions(catalog)))

        def write(draft: Path) -> dict[str, Any]:
            splits = [
                pd.DataFrame(
                    {
                        "split": split,
                        "row": np.arange(len(predicted)),
                        "title": [titles.format(row) for row in range(len(predicted))],
                        "label": truth[: len(predicted)].astype(np.int8),
                        "prediction": predicted.astype(np.int8),
                        "leaked": np.arange(len(predicted)) % 10 == 0,
                    }
                )
                for split, predicted in (("dev", dev), ("test", test))
            ]
            frame = pd.concat(splits).sample(frac=1, random_state=len(version))  # in any order
            frame.to_parquet(draft / "output_check.parquet", index=False)
            if behaves is None:
                return {}
            checks = [
                {"name": "full stop", "share": 0.99, "passed": True},
                {"name": "获奖", "share": behaves, "passed": behaves >= FLOOR},
            ]
            text = json.dumps({"checks": checks, "passed": behaves >= FLOOR})
            (draft / "behaviour.json").write_text(text, encoding="utf-8")
            return {"behaviour_passed": behaves >= FLOOR}

        recipe = Recipe("evaluation", 1, (model.as_source(catalog),), {})
        return publish(catalog, catalog.evaluation(version, recipe.key), recipe, write)

    return publish_evaluation


# The rule


def test_a_better_model_is_promoted_with_metrics_in_the_history(
    catalog: Catalog, evaluated: Callable[..., Artifact]
) -> None:
    better, present = evaluated("better", wrong_on(0.2)), evaluated("present", wrong_on(0.4))
    champion.promote(catalog, "present", "the first model")

    verdict = promotion.promote_better(catalog, better, present)

    assert verdict.promoted
    assert (verdict.version, verdict.champion, verdict.reasons) == ("better", "present", ())
    assert verdict.comparison is not None
    assert verdict.comparison.rows == 270
    assert verdict.comparison.macro_f1.p < MAX_P_VALUE
    assert champion.open_champion(catalog).directory.name == "better"
    reason = champion.history(catalog)[-1].reason
    assert reason == verdict.summary
    ours, theirs = (verdict.figures[who]["macro_f1"] for who in ("challenger", "champion"))
    assert f"dev macro-F1 {ours:.3f}, that of present {theirs:.3f}: +{ours - theirs:.3f}" in reason
    assert "270 headlines" in reason
    assert json.loads(json.dumps(verdict.to_dict()))["comparison"]["rows"] == 270
    # A run that is tried again after it was done comes to the same end, and does nothing.
    assert promotion.promote_better(catalog, better, present) == verdict
    assert len(champion.history(catalog)) == 2


def test_not_promoted_if_the_champion_changed(
    catalog: Catalog, evaluated: Callable[..., Artifact], publish_model: Callable[..., Artifact]
) -> None:
    better, present = evaluated("better", wrong_on(0.2)), evaluated("present", wrong_on(0.4))
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
    catalog: Catalog, evaluated: Callable[..., Artifact], predictions: Ids
) -> None:
    challenger, present = evaluated("new", predictions), evaluated("present", wrong_on(0.4))
    champion.promote(catalog, "present", "the first model")
    before = catalog.champion.read_bytes()

    verdict = promotion.promote_better(catalog, challenger, present)

    assert not verdict.promoted
    assert "is not shown to be better than the champion's" in verdict.reasons[0]
    assert "p " in verdict.reasons[0]
    assert catalog.champion.read_bytes() == before


def test_not_promoted_at_the_cost_of_one_class(
    evaluated: Callable[..., Artifact],
) -> None:
    present, challenger = TRUTH.copy(), TRUTH.copy()
    present[:50], present[100:150] = 1, 0  # two classes mixed up, the last one perfect
    challenger[-10:] = 1
    verdict = judge(evaluated("new", challenger), evaluated("present", present))
    assert verdict.comparison is not None
    assert verdict.comparison.macro_f1.p < MAX_P_VALUE
    [reason] = verdict.reasons
    assert reason.startswith("its F1 of the class negative is 0.053 lower than the champion's")
    assert not verdict.promoted


@pytest.mark.parametrize(
    ("ours", "champions", "told"),
    [
        (FLOOR, 0.95, None),
        (0.5, FLOOR, "it fails behaviour checks that the champion passes or is better at: 获奖"),
        (0.5, None, "it fails behaviour checks that the champion passes or is better at: 获奖"),
        (0.5, 0.53, "it fails behaviour checks that the champion passes or is better at: 获奖"),
        (0.5, 0.51, "it fails behaviour checks that the champion passes or is better at: 获奖"),
        (0.5, 0.5, None),
        (0.5, 0.4, None),
        (None, FLOOR, "its behaviour was not checked"),
    ],
)
def test_a_behaviour_regression_prevents_promotion(
    evaluated: Callable[..., Artifact],
    ours: float | None,
    champions: float | None,
    told: str | None,
) -> None:
    challenger = evaluated("new", wrong_on(0.1), behaves=ours)
    verdict = judge(challenger, evaluated("present", wrong_on(0.4), behaves=champions))
    assert [reason.removesuffix(" (0.500)") for reason in verdict.reasons] == [told] * bool(told)
    assert verdict.promoted == (told is None)


def test_all_reasons_against_a_model_are_given(evaluated: Callable[..., Artifact]) -> None:
    challenger = evaluated("new", wrong_on(0.9), behaves=0.5)
    verdict = judge(challenger, evaluated("present", wrong_on(0.1)))
    assert len(verdict.reasons) == 1 + len(LABELS) + 1


def test_at_most_one_of_two_models_is_better(evaluated: Callable[..., Artifact]) -> None:
    shares = np.random.default_rng(0).uniform(0.1, 0.9, 6)
    models = [evaluated(f"m{n}", wrong_on(share, seed=n)) for n, share in enumerate(shares)]
    promoted = {
        (one, other): judge(models[one], models[other]).promoted
        for one in range(6)
        for other in range(6)
    }
    assert any(promoted.values())
    for (one, other), better in promoted.items():
        assert not (better and promoted[other, one])


def test_test_rows_and_leaked_titles_do_not_count(evaluated: Callable[..., Artifact]) -> None:
    present = evaluated("present", wrong_on(0.4))
    leaked = np.arange(ROWS) % 10 == 0
    by_heart = np.where(leaked, TRUTH, wrong_on(0.4))
    verdicts = [
        judge(evaluated("one", wrong_on(0.4)), present),
        judge(evaluated("one-by-heart", by_heart, test=TRUTH), present),
        judge(evaluated("one-at-a-loss", wrong_on(0.4), test=(TRUTH + 1) % 3), present),
    ]
    assert len({verdict.reasons for verdict in verdicts}) == 1
    assert all(verdict.comparison == verdicts[0].comparison for verdict in verdicts)


@pytest.mark.parametrize("other", [{"titles": "另{}号"}, {"truth": (TRUTH + 1) % 3}])
def test_evaluations_on_other_headlines_are_not_compared(
    evaluated: Callable[..., Artifact], other: dict[str, Any]
) -> None:
    one, two = evaluated("one", TRUTH), evaluated("two", TRUTH, **other)
    with pytest.raises(InputError, match="one and two were not evaluated on the same dev"):
        judge(one, two)
    with pytest.raises(InputError, match=r"\(270 and 135\)"):
        judge(one, evaluated("three", TRUTH[:150]))


def test_without_dev_headlines_nothing_is_promoted(
    evaluated: Callable[..., Artifact],
) -> None:
    verdict = judge(evaluated("new", TRUTH[:0]), evaluated("present", TRUTH[:0]))
    assert (verdict.promoted, verdict.champion) == (False, "present")
    assert verdict.reasons == ("there are no dev headlines to compare it on",)


# After a training


WORDS = Segmenter().fingerprint()


@pytest.fixture
def models(catalog: Catalog, publish_model: Callable[..., Artifact]) -> dict[str, Artifact]:
    """A first champion, the present one, and a new model."""
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


# By hand


def test_an_unusable_champion_is_replaced_on_request(
    catalog: Catalog, models: dict[str, Artifact]
) -> None:
    for number, harm in enumerate(
        (catalog.champion.unlink, lambda: catalog.champion.write_text(""))
    ):
        harm()
        version = "ac"[number]
        verdict = promotion.promote_by_rule(catalog, version, "none")
        assert (verdict.promoted, verdict.comparison) == (True, None)
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
        """What is found, just before someone else chooses a champion."""
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
    catalog: Catalog, evaluated: Callable[..., Artifact], publish_model: Callable[..., Artifact]
) -> None:
    evaluated("present", wrong_on(0.1))
    evaluated("worse", wrong_on(0.8), behaves=0.5)
    evaluated("elsewhere", wrong_on(0.1), titles="另{}号")
    publish_model(catalog, "unknown")
    champion.promote(catalog, "present", "the first model")
    for version, told in (
        ("worse", "forced: dev macro-F1 0.1"),
        ("elsewhere", "forced, without a comparison"),
        ("unknown", "forced, without a comparison"),
        ("present", "forced, without a comparison"),
    ):
        verdict = promotion.promote_by_force(catalog, version)
        assert verdict.promoted
        assert champion.open_champion(catalog).directory.name == version
        reason = champion.history(catalog)[-1].reason
        assert reason == verdict.summary
        assert reason.startswith(told)
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

    verdict = promotion.promote_by_rule(catalog, second, "news")

    assert verdict.promoted, verdict
    assert champion.open_champion(catalog).directory.name == second
    again = promotion.promote_by_rule(catalog, first, "news")
    assert not again.promoted
    assert again.champion == second
    assert champion.open_champion(catalog).directory.name == second
    assert len(list((catalog.reports / "evaluation").iterdir())) == 2  # each evaluated once
