import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headlines import registry
from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.manifest import MANIFEST, Recipe, sealed, unsealed
from headlines.segmentation import Segmenter


def make_model(catalog: Catalog, version: str) -> str:
    """Publish a model; what is in it is nothing to the registry."""

    def write(draft: Path) -> dict[str, Any]:
        (draft / "weights").write_text(version)
        return {}

    recipe = Recipe("model", 1, (), {"version": version})
    return publish(catalog, catalog.model(version), recipe, write).manifest.key


def damage(catalog: Catalog, version: str) -> None:
    (catalog.model(version) / "weights").write_text("other")


# Versions


def test_a_version_is_named_by_day_and_key() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-0123abcd", registry.version_of("0123abcd" * 8))


def test_versions_are_listed_by_age_and_nothing_else_is(catalog: Catalog) -> None:
    assert registry.versions(catalog) == []
    for version in ("2026-11-21-bbbb", "2026-11-20-cccc"):
        make_model(catalog, version)
    registry.promote(catalog, "2026-11-20-cccc", "a test")
    (catalog.models / ".hidden").mkdir()
    (catalog.models / "notes.txt").write_text("")
    assert registry.versions(catalog) == ["2026-11-20-cccc", "2026-11-21-bbbb"]


def test_a_model_is_found_by_its_key_whatever_its_day(catalog: Catalog) -> None:
    key = make_model(catalog, "other")
    assert registry.model_of_key(catalog, key) is None
    version = f"2001-01-01-{key[:8]}"
    catalog.model("other").rename(catalog.model(version))
    found = registry.model_of_key(catalog, key)
    assert found is not None
    assert found.directory == catalog.model(version)


def test_a_damaged_model_is_refused_and_not_made_anew(catalog: Catalog) -> None:
    key = make_model(catalog, "one")
    version = f"2001-01-01-{key[:8]}"
    catalog.model("one").rename(catalog.model(version))
    registry.promote(catalog, version, "a test")
    damage(catalog, version)
    for ask in (
        lambda: registry.model(catalog, version),
        lambda: registry.model_of_key(catalog, key),
        lambda: registry.champion(catalog),
        lambda: registry.named(catalog, "champion"),
        lambda: registry.promote(catalog, version, "again"),
    ):
        with pytest.raises(InputError, match="weights is not what the manifest says") as refusal:
            ask()
        assert refusal.value.where == str(catalog.model(version))
        assert "restore it from a copy" in refusal.value.mend
    assert (catalog.model(version) / "weights").read_text() == "other"


def test_a_model_that_this_version_cannot_read_is_refused(catalog: Catalog) -> None:
    def write(draft: Path) -> dict[str, Any]:
        (draft / "config.json").write_text('{"format": "lstm_model.bundle/1"}')
        return {}

    publish(catalog, catalog.model("old"), Recipe("model", 1, (), {}), write)
    old = registry.model(catalog, "old")
    for ask in (lambda one: registry.scorer(one, Segmenter().fingerprint()), registry.bundle):
        with pytest.raises(InputError, match=r"the format is 'lstm_model\.bundle/1'") as refusal:
            ask(old)
        assert "train a model with this version" in refusal.value.mend


def test_a_model_that_does_not_say_what_words_it_was_trained_on_is_refused(
    catalog: Catalog, publish_model: Callable[..., Artifact]
) -> None:
    """As those that were trained before there was a choice."""
    path = publish_model(catalog, "early").directory / MANIFEST
    data = unsealed(path.read_text(encoding="utf-8"))
    del data["config"]["segmenter"]
    path.write_text(sealed(data), encoding="utf-8")
    for segmenter in (Segmenter(), Segmenter("jieba"), Segmenter("paddle")):
        with pytest.raises(InputError, match="before models recorded") as refusal:
            registry.scorer(registry.model(catalog, "early"), segmenter.fingerprint())
        assert "train a model" in refusal.value.mend


@pytest.mark.parametrize(("trained", "present"), [("fast", "jieba"), ("jieba", "fast")])
def test_a_model_scores_the_words_of_every_engine_that_cuts_them_alike(
    catalog: Catalog, publish_model: Callable[..., Artifact], trained: str, present: str
) -> None:
    model = publish_model(catalog, "one", segmenter=Segmenter(trained))
    scorer = registry.scorer(model, Segmenter(present).fingerprint())
    assert scorer.predict([["股市", "大涨"]]).shape == (1, 3)


@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_a_model_does_not_score_other_words_than_those_it_was_trained_on(
    catalog: Catalog, tmp_path: Path, publish_model: Callable[..., Artifact], engine: str
) -> None:
    dictionary, other = tmp_path / "words.txt", tmp_path / "other.txt"
    dictionary.write_text("股市大涨\n", encoding="utf-8")
    other.write_text("股市大跌\n", encoding="utf-8")
    plain = publish_model(catalog, "plain", segmenter=Segmenter(engine))
    own = publish_model(catalog, "own", segmenter=Segmenter(engine, dictionary=dictionary))
    assert registry.scorer(own, Segmenter("jieba", dictionary=dictionary).fingerprint())
    for model, segmenter in (
        (plain, Segmenter(engine, dictionary=dictionary)),
        (plain, Segmenter(engine, mode="search")),
        (plain, Segmenter(engine, hmm=False)),
        (own, Segmenter(engine)),
        (own, Segmenter(engine, dictionary=other)),
    ):
        with pytest.raises(InputError, match="was trained on other words") as refusal:
            registry.scorer(model, segmenter.fingerprint())
        assert refusal.value.where == str(model.directory)
        for way_out in ("HEADLINES_ENGINE", "HEADLINES_DICTIONARY", "train a model"):
            assert way_out in refusal.value.mend


def test_manifests_leaves_out_what_has_none(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    make_model(catalog, "one")
    (catalog.models / "empty").mkdir()
    assert list(registry.manifests(catalog)) == ["one"]
    assert str(catalog.models / "empty") in caplog.text


@pytest.mark.parametrize("version", ["two", "champion.json", "../models/one", ".", "", "a/b"])
def test_a_model_that_is_not_there_is_refused(catalog: Catalog, version: str) -> None:
    make_model(catalog, "one")
    registry.promote(catalog, "one", "a test")
    before = catalog.champion.read_bytes()
    for ask in (registry.model, registry.named, lambda c, v: registry.promote(c, v, "a test")):
        with pytest.raises(InputError):
            ask(catalog, version)
    assert catalog.champion.read_bytes() == before


# The champion


def test_promotions_make_a_history(catalog: Catalog) -> None:
    for version in ("one", "two"):
        make_model(catalog, version)
    for version, reason in (("one", "the first"), ("two", "更好"), ("two", "?"), ("one", "back")):
        registry.promote(catalog, version, reason)
        assert registry.champion(catalog).directory == catalog.model(version)

    history = registry.champion_history(catalog)
    told = [(promotion.version, promotion.reason) for promotion in history]
    assert told == [("one", "the first"), ("two", "更好"), ("one", "back")]  # once for two in a row
    assert all(promotion.at.endswith("+00:00") for promotion in history)
    assert registry.named(catalog, "champion") == registry.named(catalog, "one")
    assert json.loads(catalog.champion.read_text(encoding="utf-8"))["version"] == "one"


def test_without_any_model_there_is_none_to_score_with(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="no model to score with") as refusal:
        registry.champion(catalog)
    assert "headlines train" in refusal.value.mend
    assert registry.is_empty(catalog)
    assert registry.champion_history(catalog) == []


def test_models_without_a_pointer_are_an_error(catalog: Catalog) -> None:
    make_model(catalog, "one")
    assert not registry.is_empty(catalog)
    with pytest.raises(InputError, match=r"no champion\.json says which") as refusal:
        registry.champion(catalog)
    assert refusal.value.where == str(catalog.champion)
    assert "headlines promote VERSION" in refusal.value.mend


def test_a_pointer_without_models_is_an_error_and_no_empty_registry(catalog: Catalog) -> None:
    make_model(catalog, "one")
    registry.promote(catalog, "one", "a test")
    catalog.model("one").rename(catalog.root / "moved")
    assert not registry.is_empty(catalog)
    with pytest.raises(InputError, match="there is no model 'one'"):
        registry.champion(catalog)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 1, "version": "two"}', "\0"], ids=repr
)
def test_a_pointer_that_cannot_be_read_is_refused_and_kept_when_it_is_replaced(
    catalog: Catalog, text: str
) -> None:
    make_model(catalog, "one")
    registry.promote(catalog, "one", "a test")
    catalog.champion.write_text(text)
    with pytest.raises(InputError, match="champion pointer cannot be read") as refusal:
        registry.champion(catalog)
    assert refusal.value.where == str(catalog.champion)
    with pytest.raises(InputError, match="champion pointer cannot be read"):
        registry.champion_history(catalog)

    registry.promote(catalog, "one", "mended")

    assert registry.champion(catalog).directory == catalog.model("one")
    assert [p.reason for p in registry.champion_history(catalog)] == ["mended"]
    assert (catalog.models / "champion.json.damaged").read_text() == text


@pytest.mark.parametrize("field", ["version", "history"])
def test_a_pointer_edited_by_hand_is_refused(catalog: Catalog, field: str) -> None:
    for version in ("one", "two"):
        make_model(catalog, version)
        registry.promote(catalog, version, "a test")
    data = json.loads(catalog.champion.read_text(encoding="utf-8"))
    data[field] = "one" if field == "version" else data[field][1:]
    catalog.champion.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="not what its digest says"):
        registry.champion(catalog)


# The first champion


def test_the_first_model_is_promoted_once(catalog: Catalog) -> None:
    registry.announce_first(catalog)
    assert registry.is_empty(catalog)
    assert registry.complete_first(catalog) is None  # it is not there yet
    make_model(catalog, "one")

    assert registry.complete_first(catalog) == "one"

    assert registry.champion(catalog).directory == catalog.model("one")
    assert registry.complete_first(catalog) is None
    assert len(registry.champion_history(catalog)) == 1


def test_a_later_model_is_not_promoted_by_itself(catalog: Catalog) -> None:
    for version in ("one", "two"):
        registry.announce_first(catalog)
        make_model(catalog, version)
        registry.complete_first(catalog)
    assert registry.champion(catalog).directory == catalog.model("one")


def test_a_run_killed_before_the_promotion_is_completed_by_the_next(catalog: Catalog) -> None:
    registry.announce_first(catalog)
    make_model(catalog, "one")
    with pytest.raises(InputError, match=r"no champion\.json"):
        registry.champion(catalog)
    registry.announce_first(catalog)  # what the next run does in any case
    assert registry.complete_first(catalog) == "one"


def test_a_lost_pointer_is_not_completed(catalog: Catalog) -> None:
    registry.announce_first(catalog)
    make_model(catalog, "one")
    registry.complete_first(catalog)
    catalog.champion.unlink()

    registry.announce_first(catalog)
    assert registry.complete_first(catalog) is None

    with pytest.raises(InputError, match=r"no champion\.json"):
        registry.champion(catalog)


def test_a_damaged_first_model_is_not_promoted(catalog: Catalog) -> None:
    registry.announce_first(catalog)
    make_model(catalog, "one")
    damage(catalog, "one")
    with pytest.raises(InputError, match="the model is damaged"):
        registry.complete_first(catalog)
    assert not catalog.champion.exists()


def test_of_two_first_trainings_at_once_the_one_that_ends_first_is_the_champion(
    catalog: Catalog,
) -> None:
    registry.announce_first(catalog)
    registry.announce_first(catalog)
    make_model(catalog, "quick")
    assert registry.complete_first(catalog) == "quick"
    make_model(catalog, "slow")
    assert registry.complete_first(catalog) is None
    assert registry.champion(catalog).directory == catalog.model("quick")


def test_a_choice_made_by_hand_stands(catalog: Catalog) -> None:
    registry.announce_first(catalog)
    make_model(catalog, "one")
    make_model(catalog, "two")
    registry.promote(catalog, "two", "by hand")
    assert registry.complete_first(catalog) is None
    assert registry.champion(catalog).directory == catalog.model("two")
    catalog.champion.unlink()
    assert registry.complete_first(catalog) is None  # the note is gone with the first champion
