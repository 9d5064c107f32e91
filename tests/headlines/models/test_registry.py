import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe


def make_model(root: DataRoot, version: str) -> str:
    """Publish a model; the registry does not look at its content."""

    def write(draft: Path) -> dict[str, Any]:
        (draft / "weights").write_text(version)
        return {}

    recipe = Recipe("model", 1, (), {"version": version})
    return root.store.publish(root.model(version), recipe, write).manifest.key


# Versions


def test_a_version_is_named_by_day_and_key() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-0123abcd", registry.new_version("0123abcd" * 8))


def test_versions_are_listed_by_date(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    assert registry.versions(root) == []
    for version in ("2026-11-21-bbbb", "2026-11-20-cccc"):
        publish_model(root, version)
    champion.promote(root, "2026-11-20-cccc", "a test")
    (root.store.path(root.models) / ".hidden").mkdir()
    (root.store.path(root.models) / "notes.txt").write_text("")
    assert registry.versions(root) == ["2026-11-20-cccc", "2026-11-21-bbbb"]


def test_a_model_is_found_by_its_key_whatever_its_day(root: DataRoot) -> None:
    key = make_model(root, "other")
    assert registry.find_by_key(root, key) is None
    version = f"2001-01-01-{key[:8]}"
    root.store.path(root.model("other")).rename(root.store.path(root.model(version)))
    found = registry.find_by_key(root, key)
    assert found is not None
    assert found.name == root.model(version)


def test_a_damaged_model_is_refused(root: DataRoot, publish_model: Callable[..., Artifact]) -> None:
    key = publish_model(root, "one").manifest.key
    version = f"2001-01-01-{key[:8]}"
    root.store.path(root.model("one")).rename(root.store.path(root.model(version)))
    champion.promote(root, version, "a test")
    history = root.store.path(root.model(version)) / "history.json"
    history.write_text("other")
    for ask in (
        lambda: registry.open_model(root, version),
        lambda: registry.find_by_key(root, key),
        lambda: champion.open_champion(root),
        lambda: champion.resolve(root, "champion"),
        lambda: champion.promote(root, version, "again"),
    ):
        with pytest.raises(InputError, match=r"history\.json is not what the manifest") as refusal:
            ask()
        assert refusal.value.location == root.location(root.model(version))
        assert "restore it from a copy" in refusal.value.hint
    assert history.read_text() == "other"


def test_a_model_that_this_version_cannot_read_is_refused(root: DataRoot) -> None:
    def write(draft: Path) -> dict[str, Any]:
        (draft / "config.json").write_text('{"format": "lstm_model.bundle/1"}')
        return {}

    root.store.publish(root.model("old"), Recipe("model", 1, (), {}), write)
    old = registry.open_model(root, "old")
    for ask in (
        lambda one: registry.load_scorer(one, Segmenter().fingerprint()),
        registry.load_bundle,
    ):
        with pytest.raises(InputError, match=r"the format is 'lstm_model\.bundle/1'") as refusal:
            ask(old)
        assert "train a model with this version" in refusal.value.hint


@pytest.mark.parametrize(("trained", "present"), [("fast", "jieba"), ("jieba", "fast")])
def test_a_model_scores_with_any_compatible_engine(
    root: DataRoot, publish_model: Callable[..., Artifact], trained: str, present: str
) -> None:
    model = publish_model(root, "one", segmenter=Segmenter(trained))
    scorer = registry.load_scorer(model, Segmenter(present).fingerprint())
    assert scorer.predict([["股市", "大涨"]]).shape == (1, 3)


@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_a_model_refuses_a_different_segmenter(
    root: DataRoot, tmp_path: Path, publish_model: Callable[..., Artifact], engine: str
) -> None:
    dictionary, other = tmp_path / "words.txt", tmp_path / "other.txt"
    dictionary.write_text("股市大涨\n", encoding="utf-8")
    other.write_text("股市大跌\n", encoding="utf-8")
    plain = publish_model(root, "plain", segmenter=Segmenter(engine))
    own = publish_model(root, "own", segmenter=Segmenter(engine, dictionary=dictionary))
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
        assert refusal.value.location == model.location
        for way_out in ("HEADLINES_ENGINE", "HEADLINES_DICTIONARY", "train a model"):
            assert way_out in refusal.value.hint


def test_manifests_skips_models_without_one(
    root: DataRoot, caplog: pytest.LogCaptureFixture
) -> None:
    make_model(root, "one")
    (root.store.path(root.models) / "empty").mkdir()
    assert list(registry.manifests(root)) == ["one"]
    assert root.location(f"{root.models}/empty") in caplog.text


@pytest.mark.parametrize("version", ["two", "champion.json", "../models/one", ".", "", "a/b"])
def test_an_unknown_model_is_refused(
    root: DataRoot, publish_model: Callable[..., Artifact], version: str
) -> None:
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    before = root.store.path(root.champion).read_bytes()
    for ask in (
        registry.open_model,
        champion.resolve,
        lambda c, v: champion.promote(c, v, "a test"),
    ):
        with pytest.raises(InputError):
            ask(root, version)
    assert root.store.path(root.champion).read_bytes() == before
