import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe


def make_model(catalog: Catalog, version: str) -> str:
    """Publish a model; the registry does not look at its content."""

    def write(draft: Path) -> dict[str, Any]:
        (draft / "weights").write_text(version)
        return {}

    recipe = Recipe("model", 1, (), {"version": version})
    return publish(catalog, catalog.model(version), recipe, write).manifest.key


# Versions


def test_a_version_is_named_by_day_and_key() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-0123abcd", registry.new_version("0123abcd" * 8))


def test_versions_are_listed_by_date(
    catalog: Catalog, publish_model: Callable[..., Artifact]
) -> None:
    assert registry.versions(catalog) == []
    for version in ("2026-11-21-bbbb", "2026-11-20-cccc"):
        publish_model(catalog, version)
    champion.promote(catalog, "2026-11-20-cccc", "a test")
    (catalog.models / ".hidden").mkdir()
    (catalog.models / "notes.txt").write_text("")
    assert registry.versions(catalog) == ["2026-11-20-cccc", "2026-11-21-bbbb"]


def test_a_model_is_found_by_its_key_whatever_its_day(catalog: Catalog) -> None:
    key = make_model(catalog, "other")
    assert registry.find_by_key(catalog, key) is None
    version = f"2001-01-01-{key[:8]}"
    catalog.model("other").rename(catalog.model(version))
    found = registry.find_by_key(catalog, key)
    assert found is not None
    assert found.directory == catalog.model(version)


def test_a_damaged_model_is_refused(
    catalog: Catalog, publish_model: Callable[..., Artifact]
) -> None:
    key = publish_model(catalog, "one").manifest.key
    version = f"2001-01-01-{key[:8]}"
    catalog.model("one").rename(catalog.model(version))
    champion.promote(catalog, version, "a test")
    history = catalog.model(version) / "history.json"
    history.write_text("other")
    for ask in (
        lambda: registry.open_model(catalog, version),
        lambda: registry.find_by_key(catalog, key),
        lambda: champion.open_champion(catalog),
        lambda: champion.resolve(catalog, "champion"),
        lambda: champion.promote(catalog, version, "again"),
    ):
        with pytest.raises(InputError, match=r"history\.json is not what the manifest") as refusal:
            ask()
        assert refusal.value.location == str(catalog.model(version))
        assert "restore it from a copy" in refusal.value.hint
    assert history.read_text() == "other"


def test_a_model_that_this_version_cannot_read_is_refused(catalog: Catalog) -> None:
    def write(draft: Path) -> dict[str, Any]:
        (draft / "config.json").write_text('{"format": "lstm_model.bundle/1"}')
        return {}

    publish(catalog, catalog.model("old"), Recipe("model", 1, (), {}), write)
    old = registry.open_model(catalog, "old")
    for ask in (
        lambda one: registry.load_scorer(one, Segmenter().fingerprint()),
        registry.load_bundle,
    ):
        with pytest.raises(InputError, match=r"the format is 'lstm_model\.bundle/1'") as refusal:
            ask(old)
        assert "train a model with this version" in refusal.value.hint


@pytest.mark.parametrize(("trained", "present"), [("fast", "jieba"), ("jieba", "fast")])
def test_a_model_scores_with_any_compatible_engine(
    catalog: Catalog, publish_model: Callable[..., Artifact], trained: str, present: str
) -> None:
    model = publish_model(catalog, "one", segmenter=Segmenter(trained))
    scorer = registry.load_scorer(model, Segmenter(present).fingerprint())
    assert scorer.predict([["股市", "大涨"]]).shape == (1, 3)


@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_a_model_refuses_a_different_segmenter(
    catalog: Catalog, tmp_path: Path, publish_model: Callable[..., Artifact], engine: str
) -> None:
    dictionary, other = tmp_path / "words.txt", tmp_path / "other.txt"
    dictionary.write_text("股市大涨\n", encoding="utf-8")
    other.write_text("股市大跌\n", encoding="utf-8")
    plain = publish_model(catalog, "plain", segmenter=Segmenter(engine))
    own = publish_model(catalog, "own", segmenter=Segmenter(engine, dictionary=dictionary))
    assert registry.load_scorer(own, Segmenter("jieba", dictionary=dictionary).fingerprint())
    for model, segmenter in (
        (plain, Segmenter(engine, dictionary=dictionary)),
        (plain, Segmenter(engine, mode="search")),
        (plain, Segmenter(engine, hmm=False)),
        (own, Segmenter(engine)),
        (own, Segmenter(engine, dictionary=other)),
    ):
        with pytest.raises(InputError, match="trained with a different segmenter") as refusal:
            registry.load_scorer(model, segmenter.fingerprint())
        assert refusal.value.location == str(model.directory)
        for way_out in ("HEADLINES_ENGINE", "HEADLINES_DICTIONARY", "train a model"):
            assert way_out in refusal.value.hint


def test_manifests_skips_models_without_one(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    make_model(catalog, "one")
    (catalog.models / "empty").mkdir()
    assert list(registry.manifests(catalog)) == ["one"]
    assert str(catalog.models / "empty") in caplog.text


@pytest.mark.parametrize("version", ["two", "champion.json", "../models/one", ".", "", "a/b"])
def test_an_unknown_model_is_refused(
    catalog: Catalog, publish_model: Callable[..., Artifact], version: str
) -> None:
    publish_model(catalog, "one")
    champion.promote(catalog, "one", "a test")
    before = catalog.champion.read_bytes()
    for ask in (
        registry.open_model,
        champion.resolve,
        lambda c, v: champion.promote(c, v, "a test"),
    ):
        with pytest.raises(InputError):
            ask(catalog, version)
    assert catalog.champion.read_bytes() == before
