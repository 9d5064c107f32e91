"""The champion: promotion, rollback, the first model, and damaged pointers."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe, dump_signed, load_signed


def other_format(directory: Path) -> None:
    change_config(directory, format="lstm_model.bundle/1")


def not_a_number(directory: Path) -> None:
    weights = safetensors.numpy.load_file(directory / "weights.safetensors")
    weights["dense/bias"][0] = np.nan
    safetensors.numpy.save_file(weights, directory / "weights.safetensors")
    vouch_for(directory, "weights.safetensors")


def other_table(directory: Path) -> None:
    table = np.load(directory / "table.npy")
    np.save(directory / "table.npy", table.reshape(-1))
    vouch_for(directory, "table.npy")


UNREADABLE = [other_format, not_a_number, other_table]


def vouch_for(directory: Path, name: str) -> None:
    digests = json.loads((directory / "config.json").read_text(encoding="utf-8"))["sha256"]
    digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    change_config(directory, sha256={**digests, name: digest})


def change_config(directory: Path, **fields: Any) -> None:
    path = directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **fields}), encoding="utf-8")


def publish_unreadable(root: DataRoot, model: Artifact, change: Callable[[Path], None]) -> None:
    """Replace a model by one with correct digests that cannot be read."""

    def write(draft: Path) -> dict[str, Any]:
        for path in model.files():
            shutil.copy(path, draft)
        change(draft)
        return {}

    config = {**model.manifest.config, "seed": -1}
    root.store.publish(model.name, Recipe("model", 1, (), config), write)


def damage(root: DataRoot, version: str) -> None:
    (root.store.path(root.model(version)) / "weights.safetensors").write_text("other")


def test_promotions_are_kept_in_the_history(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    for version in ("one", "two"):
        publish_model(root, version)
    for version, reason in (("one", "the first"), ("two", "更好"), ("two", "?"), ("one", "back")):
        champion.promote(root, version, reason)
        assert champion.open_champion(root).name == root.model(version)

    history = champion.history(root)
    entries = [(promotion.version, promotion.reason) for promotion in history]
    assert entries == [("one", "the first"), ("two", "更好"), ("one", "back")]
    assert all(promotion.at.endswith("+00:00") for promotion in history)
    assert champion.resolve(root, "champion") == champion.resolve(root, "one")
    assert (
        json.loads(root.store.path(root.champion).read_text(encoding="utf-8"))["version"] == "one"
    )


def test_any_other_name_is_a_version(
    three: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(three, "2026-11-27")  # sorts before `champion`, the others after it
    for version in ("2026-11-27", "one", "two"):
        assert champion.resolve(three, version).version == version
    assert champion.resolve(three, "champion").version == "three"


def test_without_models_there_is_no_champion(root: DataRoot) -> None:
    with pytest.raises(InputError, match="no model to score with") as refusal:
        champion.open_champion(root)
    assert "headlines train" in refusal.value.hint
    assert registry.is_empty(root)
    assert champion.history(root) == []


def test_models_without_a_pointer_are_an_error(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    assert not registry.is_empty(root)
    with pytest.raises(InputError, match=r"no champion\.json says which") as refusal:
        champion.open_champion(root)
    assert refusal.value.location == root.location(root.champion)
    assert "headlines promote VERSION" in refusal.value.hint


def test_a_pointer_without_models_is_an_error(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    root.store.path(root.model("one")).rename(root.store.directory / "moved")
    assert not registry.is_empty(root)
    with pytest.raises(InputError, match="there is no model 'one'"):
        champion.open_champion(root)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 1, "version": "two"}', "\0"], ids=repr
)
def test_an_unreadable_pointer_is_kept_when_replaced(
    root: DataRoot, text: str, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    root.store.path(root.champion).write_text(text)
    with pytest.raises(InputError, match="champion pointer cannot be read") as refusal:
        champion.open_champion(root)
    assert refusal.value.location == root.location(root.champion)
    with pytest.raises(InputError, match="champion pointer cannot be read"):
        champion.history(root)

    champion.promote(root, "one", "mended")

    assert champion.open_champion(root).name == root.model("one")
    assert [p.reason for p in champion.history(root)] == ["mended"]
    assert (root.store.path(root.models) / "champion.json.damaged~1").read_text() == text


def test_every_unreadable_pointer_is_kept(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    for text in ("the first damage", "the second"):
        root.store.path(root.champion).write_text(text)
        champion.promote(root, "one", "mended")
    kept = sorted(root.store.path(root.models).glob("champion.json.damaged*"))
    assert [path.read_text() for path in kept] == ["the first damage", "the second"]


def test_an_unreadable_pointer_stays_after_a_comparison(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    for version in ("one", "two"):
        publish_model(root, version)
    root.store.path(root.champion).write_text("{}")
    with pytest.raises(InputError, match="champion pointer cannot be read"):
        champion.promote(root, "two", "better", instead_of="one")
    assert root.store.path(root.champion).read_text() == "{}"
    assert not list(root.store.path(root.models).glob("champion.json.damaged*"))


@pytest.mark.parametrize("field", ["version", "history"])
def test_a_pointer_edited_by_hand_is_refused(
    root: DataRoot, field: str, publish_model: Callable[..., Artifact]
) -> None:
    for version in ("one", "two"):
        publish_model(root, version)
        champion.promote(root, version, "a test")
    data = json.loads(root.store.path(root.champion).read_text(encoding="utf-8"))
    data[field] = "one" if field == "version" else data[field][1:]
    root.store.path(root.champion).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="not what its digest says"):
        champion.open_champion(root)


@pytest.mark.parametrize(
    "version", ["../one", "/etc", "a/b", "..", ".", "", "one/", "\0", None, 1, ["one"]], ids=repr
)
def test_a_pointer_to_an_invalid_version_is_refused(
    root: DataRoot, version: Any, publish_model: Callable[..., Artifact]
) -> None:
    """Even with a correct digest, as a forger would write it."""
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    data = load_signed(root.store.path(root.champion).read_text(encoding="utf-8"))
    data["version"] = data["history"][0]["version"] = version
    root.store.path(root.champion).write_text(dump_signed(data), encoding="utf-8")
    with pytest.raises(InputError, match="champion pointer cannot be read") as refusal:
        champion.open_champion(root)
    assert refusal.value.location == root.location(root.champion)


def test_an_unusual_pointer_file_is_not_read(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    with root.store.path(root.champion).open("r+b") as file:
        file.truncate(1 << 40)  # sparse: takes no disk space
    with pytest.raises(InputError, match="1,099,511,627,776 bytes, and at most"):
        champion.open_champion(root)
    root.store.path(root.champion).write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested beyond all measure"):
        champion.open_champion(root)
    root.store.path(root.champion).unlink()
    os.mkfifo(root.store.path(root.champion))
    with pytest.raises(InputError, match="it is no file"):
        champion.open_champion(root)


# Rollback


def versions_of(root: DataRoot) -> list[tuple[str, str]]:
    return [(one.version, one.back_from) for one in champion.history(root)]


@pytest.fixture
def three(root: DataRoot, publish_model: Callable[..., Artifact]) -> DataRoot:
    """Three models, promoted one after the other."""
    for version in ("one", "two", "three"):
        publish_model(root, version)
        champion.promote(root, version, "better")
    return root


def test_a_second_rollback_goes_further_back(three: DataRoot) -> None:
    step = champion.rollback(three)
    assert (step.version, step.reason) == ("two", "rolled back from three")
    assert champion.open_champion(three).version == "two"
    assert champion.rollback(three).version == "one"
    assert versions_of(three)[3:] == [("two", "three"), ("one", "two")]
    before = three.store.path(three.champion).read_bytes()
    with pytest.raises(InputError, match="there is no previous champion") as refusal:
        champion.rollback(three)
    assert "headlines promote VERSION" in refusal.value.hint
    assert three.store.path(three.champion).read_bytes() == before


def test_after_a_rollback_a_promotion_goes_on_from_there(three: DataRoot) -> None:
    champion.rollback(three)
    champion.promote(three, "three", "it was not so bad")
    assert champion.rollback(three).version == "two"
    assert champion.rollback(three).version == "one"


def test_rollback_with_a_version_promoted_twice(three: DataRoot) -> None:
    champion.promote(three, "one", "once more")
    assert [champion.rollback(three).version for _ in range(3)] == ["three", "two", "one"]


def test_rollback_to_a_missing_or_damaged_model_is_refused(three: DataRoot) -> None:
    before = three.store.path(three.champion).read_bytes()
    damage(three, "two")
    with pytest.raises(InputError, match="the model is damaged"):
        champion.rollback(three)
    three.store.path(three.model("two")).rename(three.store.directory / "moved")
    with pytest.raises(InputError, match="there is no model 'two'"):
        champion.rollback(three)
    assert three.store.path(three.champion).read_bytes() == before


@pytest.mark.parametrize("change", UNREADABLE)
def test_a_model_that_cannot_be_read_does_not_become_champion(
    three: DataRoot, publish_model: Callable[..., Artifact], change: Callable[[Path], None]
) -> None:
    publish_unreadable(three, publish_model(three, "four"), change)
    publish_unreadable(three, registry.open_model(three, "two"), change)
    before = three.store.path(three.champion).read_bytes()
    for way in (lambda: champion.promote(three, "four", "?"), lambda: champion.rollback(three)):
        with pytest.raises(InputError, match="the model cannot be read"):
            way()
        assert three.store.path(three.champion).read_bytes() == before
    three.store.path(three.champion).write_text("{}")
    with pytest.raises(InputError, match="the model cannot be read"):
        champion.promote(three, "four", "?")
    assert three.store.path(three.champion).read_text() == "{}"


def test_a_usable_champion_is_not_replaced_as_unusable(
    three: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(three, "four")
    with pytest.raises(InputError, match="three became champion in the meantime"):
        champion.promote(three, "four", "there was none", unless_usable=True)
    assert champion.open_champion(three).version == "three"
    damage(three, "three")
    champion.promote(three, "four", "there was none", unless_usable=True)
    assert champion.open_champion(three).version == "four"


def test_rollback_without_a_champion_is_refused(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "one")
    with pytest.raises(InputError, match="there is no champion;") as refusal:
        champion.rollback(root)
    assert refusal.value.location == root.location(root.champion)
    assert not root.store.path(root.champion).exists()


def test_a_history_without_rollback_fields_is_read(three: DataRoot) -> None:
    data = load_signed(three.store.path(three.champion).read_text(encoding="utf-8"))
    for entry in data["history"]:
        del entry["back_from"]
    three.store.path(three.champion).write_text(dump_signed(data), encoding="utf-8")
    assert champion.rollback(three).version == "two"


def test_not_promoted_if_compared_with_a_former_champion(
    three: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(three, "four")
    with pytest.raises(InputError, match="three became champion in the meantime"):
        champion.promote(three, "four", "better", instead_of="two")
    assert champion.open_champion(three).version == "three"
    champion.promote(three, "four", "better", instead_of="three")
    champion.promote(three, "four", "better", instead_of="three")  # a retried run
    assert versions_of(three)[3:] == [("four", "")]


# The first model


def test_the_first_model_is_promoted_once(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    assert registry.is_empty(root)
    assert champion.finish_first_promotion(root) is None  # not published yet
    publish_model(root, "one")

    assert champion.finish_first_promotion(root) == "one"

    assert champion.open_champion(root).name == root.model("one")
    assert champion.finish_first_promotion(root) is None
    assert len(champion.history(root)) == 1


def test_a_later_model_is_not_promoted_by_itself(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    for version in ("one", "two"):
        champion.mark_first_training(root)
        publish_model(root, version)
        champion.finish_first_promotion(root)
    assert champion.open_champion(root).name == root.model("one")


def test_the_next_run_completes_a_first_promotion(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    publish_model(root, "one")
    with pytest.raises(InputError, match=r"no champion\.json"):
        champion.open_champion(root)
    champion.mark_first_training(root)  # as the next run does
    assert champion.finish_first_promotion(root) == "one"


def test_a_lost_pointer_is_not_completed(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    publish_model(root, "one")
    champion.finish_first_promotion(root)
    root.store.path(root.champion).unlink()

    champion.mark_first_training(root)
    assert champion.finish_first_promotion(root) is None

    with pytest.raises(InputError, match=r"no champion\.json"):
        champion.open_champion(root)


def test_a_damaged_first_model_is_not_promoted(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    publish_model(root, "one")
    damage(root, "one")
    with pytest.raises(InputError, match="the model is damaged"):
        champion.finish_first_promotion(root)
    assert not root.store.path(root.champion).exists()


def test_of_two_first_trainings_the_first_to_end_is_champion(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    champion.mark_first_training(root)
    publish_model(root, "quick")
    assert champion.finish_first_promotion(root) == "quick"
    publish_model(root, "slow")
    assert champion.finish_first_promotion(root) is None
    assert champion.open_champion(root).name == root.model("quick")


def test_a_manual_promotion_is_kept_after_a_first_training(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> None:
    champion.mark_first_training(root)
    publish_model(root, "one")
    publish_model(root, "two")
    champion.promote(root, "two", "by hand")
    assert champion.finish_first_promotion(root) is None
    assert champion.open_champion(root).name == root.model("two")
    root.store.path(root.champion).unlink()
    assert champion.finish_first_promotion(root) is None  # the mark was removed
