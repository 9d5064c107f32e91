"""The list of models: complete, each with its own metrics."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from headlines.evaluation.leaderboard import known_evaluations, list_models
from headlines.models import champion
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST, Input, Recipe, dump_signed, load_signed

CORPUS = (Input("corpus/news", "c" * 64, 90), Input("tokens/tttt", "t" * 64, 90))
OTHER_CORPUS = (Input("corpus/other", "o" * 64, 90), Input("tokens/oooo", "u" * 64, 90))


@pytest.fixture
def model(root: DataRoot, publish_model: Callable[..., Artifact]) -> Artifact:
    made = publish_model(root, "one", CORPUS)
    champion.promote(root, "one", "a test")
    return made


def evaluate(
    root: DataRoot, model: Artifact, corpus: tuple[Input, ...], accuracy: float, day: int = 1
) -> Artifact:
    """Publish an evaluation with that day and accuracy."""

    def write(draft: Path) -> dict[str, Any]:
        (draft / "metrics.json").write_text("{}")
        figures = {"all": {"rows": 9, "accuracy": accuracy, "macro_f1": 0.5}}
        metrics = {"dev": figures, "test": figures}
        return {"metrics": metrics, "behaviour_passed": True, "baseline_beaten": False}

    sources = (model.as_source(), *corpus)
    recipe = Recipe("evaluation", 1, sources, {"day": day})
    name = root.evaluation(model.version, recipe.key)
    made = root.store.publish(name, recipe, write)
    path = made.directory / MANIFEST
    data = load_signed(path.read_text(encoding="utf-8")) | {"created_at": f"2026-11-{day:02}"}
    path.write_text(dump_signed(data), encoding="utf-8")
    return made


def test_without_an_evaluation_training_metrics_are_listed(root: DataRoot, model: Artifact) -> None:
    [listed] = list_models(root)
    assert listed.champion
    assert listed.dev == model.counts["dev"]
    assert (listed.test, listed.evaluation, listed.behaviour_passed) == ({}, "", None)
    assert listed.corpus == {"name": "news", "digest": "c" * 64}
    assert listed.tokens == {"name": "tttt", "digest": "t" * 64}
    assert listed.bytes == sum(path.stat().st_size for path in model.files())


def test_the_newest_evaluation_on_its_corpus_counts(
    root: DataRoot, model: Artifact, publish_model: Callable[..., Artifact]
) -> None:
    evaluate(root, model, CORPUS, 0.1, day=1)
    newest = evaluate(root, model, CORPUS, 0.2, day=2)
    evaluate(root, model, OTHER_CORPUS, 0.3, day=3)
    damaged = evaluate(root, model, CORPUS, 0.4, day=4)
    (damaged.directory / "metrics.json").write_text("[]")
    evaluate(root, publish_model(root, "one-more", CORPUS, seed=1), CORPUS, 0.5, day=5)

    one, _ = list_models(root)

    assert one.dev["accuracy"] == one.test["accuracy"] == 0.2
    assert one.evaluation == newest.location
    assert (one.behaviour_passed, one.baseline_beaten) == (True, False)
    found = [evaluation.counts["metrics"]["dev"] for evaluation in known_evaluations(root, model)]
    assert [figures["all"]["accuracy"] for figures in found] == [0.2, 0.1, 0.3]


def test_evaluations_of_a_replaced_model_do_not_count(
    root: DataRoot, model: Artifact, publish_model: Callable[..., Artifact]
) -> None:
    evaluate(root, model, CORPUS, 0.9)
    publish_model(root, "one", CORPUS, seed=1)  # replaces it
    [listed] = list_models(root)
    assert listed.evaluation == ""


@pytest.mark.parametrize(
    ("harm", "problem", "preset"),
    [
        (
            lambda model: (model / "config.json").write_text(""),
            "config.json is not what",
            "fast",
        ),
        (lambda model: (model / "more").write_text(""), "files not in the manifest", "fast"),
        (lambda model: (model / MANIFEST).write_text("{}"), f"{MANIFEST}: ", ""),
        (lambda model: (model / MANIFEST).unlink(), f"{MANIFEST}: ", ""),
    ],
)
def test_a_damaged_model_is_listed_with_what_is_wrong(
    root: DataRoot,
    model: Artifact,
    publish_model: Callable[..., Artifact],
    harm: Callable[[Path], object],
    problem: str,
    preset: str,
) -> None:
    publish_model(root, "two", CORPUS, seed=1)
    evaluate(root, model, CORPUS, 0.9)
    whole = asdict(list_models(root)[1])
    harm(model.directory)
    one, two = list_models(root)
    assert problem in one.damaged
    assert (one.version, one.champion, one.preset) == ("one", True, preset)
    assert one.evaluation == ""  # its evaluation may belong to another model
    assert asdict(two) == whole


def test_no_model_is_marked_if_the_pointer_is_unreadable(root: DataRoot, model: Artifact) -> None:
    for harm in (
        lambda: root.store.path(root.champion).write_text(""),
        root.store.path(root.champion).unlink,
    ):
        harm()
        assert [listed.champion for listed in list_models(root)] == [False]


def test_a_missing_champion_is_listed(
    root: DataRoot, model: Artifact, publish_model: Callable[..., Artifact]
) -> None:
    publish_model(root, "two", CORPUS, seed=1)
    model.directory.rename(root.store.directory / "moved")
    rows = [(listed.version, listed.champion, listed.damaged) for listed in list_models(root)]
    assert rows == [("one", True, "it is missing"), ("two", False, "")]


def test_without_models_the_list_is_empty(root: DataRoot) -> None:
    assert list_models(root) == []
