"""The trials of a sweep: measured on dev only, reused, resumed and ranked."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation.evaluate import evaluate
from headlines.models import registry
from headlines.models.presets import resolve_preset
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.lineage import lineage
from headlines.storage.manifest import Recipe
from headlines.training.folds import measure_folds
from headlines.training.pretrain import pretrain
from headlines.training.search_space import Choice, SearchSpace, Trial
from headlines.training.sweep import publish_ranking, ranked
from headlines.training.train import train
from headlines.training.trial import MeanStd, TrialResult, run_trial
from lstm_model.checkpoint import Checkpoint, write_checkpoint
from lstm_model.presets import PRESETS

pytestmark = pytest.mark.usefixtures("small_preset")


def prepared(root: DataRoot, corpus_file: Path) -> tuple[Artifact, Artifact]:
    corpus = ingest(root, "news", str(corpus_file))
    return corpus, segment_corpus(root, corpus)


def trial(number: int = 1, **values: Any) -> Trial:
    # Without what takes time and does not matter here.
    plain = {"pretrained": True, "bidirectional": False, "pooling": "last", **values}
    return Trial(number, values, replace(PRESETS["small"], name=f"small-{number}", **plain))


def content(training: Artifact) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in training.manifest.files}


class Cut(Exception):
    pass


@pytest.mark.integration
def test_an_interrupted_trial_resumes_with_the_same_metrics(
    root: DataRoot, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = corpus_file.read_text("utf-8").splitlines()
    held_out = next(line for line in lines if line.endswith(",dev"))
    corpus_file.write_text("\n".join([*lines, held_out.replace(",dev", ",train")]), "utf-8")
    stages = prepared(root, corpus_file)
    [words_of_test] = (stages[1].directory / "split=test").iterdir()
    kept = words_of_test.read_bytes()
    words_of_test.write_bytes(b"must not be read")
    written: list[int] = []

    def write(directory: Path, checkpoint: Checkpoint) -> None:
        write_checkpoint(directory, checkpoint)
        written.append(checkpoint.progress.epoch)
        if len(written) == 5:
            raise Cut

    monkeypatch.setattr("lstm_model.training.write_checkpoint", write)
    tried = trial(units=5)
    with pytest.raises(Cut):
        run_trial(root, *stages, tried, 2)
    resumed = run_trial(root, *stages, tried, 2)
    assert written == [1, 2, 3, 1, 2, 3]  # no finished epoch is run again
    again = run_trial(root, *stages, tried, 2)
    assert [training.reused for training in resumed.trainings] == [True, False]
    assert all(training.reused for training in again.trainings)

    assert registry.is_empty(root)  # no model, and no champion
    assert not list(root.store.work.glob("trial-*/"))  # no checkpoints
    assert [content(training).keys() for training in again.trainings] == [{"figures.json"}] * 2
    assert len(root.store.list_artifacts("sweeps/trials")) == 2

    words_of_test.write_bytes(kept)
    preset = replace(tried.preset, seed=1, name="another")
    model = train(root, *stages, preset, pretrained=pretrain(root, stages[0], preset))
    dev = evaluate(root, model, *stages).counts["metrics"]["dev"]
    assert dev["all"]["rows"] == 18
    measured = again.trainings[1].counts
    assert {name: measured[name] for name in ("rows", "accuracy", "macro_f1")} == {
        name: dev["without_leaked_titles"][name] for name in ("rows", "accuracy", "macro_f1")
    }
    assert measured["rows"] == 17
    assert len(root.store.list_artifacts("pretrained")) == 2  # one for each seed


@pytest.mark.integration
def test_an_interrupted_trial_by_folds_resumes_at_its_fold(
    root: DataRoot, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = prepared(root, corpus_file)
    written: list[int] = []

    def write(directory: Path, checkpoint: Checkpoint) -> None:
        write_checkpoint(directory, checkpoint)
        written.append(checkpoint.progress.epoch)
        if len(written) == 5:
            raise Cut

    monkeypatch.setattr("lstm_model.training.write_checkpoint", write)
    tried = trial(pretrained=False)
    with pytest.raises(Cut):
        run_trial(root, *stages, tried, 1, 2)
    resumed = run_trial(root, *stages, tried, 1, 2)
    assert written == [1, 2, 3, 1, 2, 3]
    [training] = resumed.trainings
    assert training.counts["rows"] == 54  # all of train
    # `headlines evaluate --folds` gives the same figures, from the same trainings.
    again = measure_folds(root, *stages, tried.preset, 2)
    assert again.reused
    assert resumed.mean_std("macro_f1") == MeanStd(again.counts["macro_f1"], None)
    assert resumed.to_dict()["seconds"] > 0
    assert not list(root.store.work.glob("trial-*/"))  # no checkpoints


@pytest.mark.parametrize("folds", [None, 2])
def test_a_trial_that_diverges_is_a_row_with_its_reason(
    root: DataRoot, corpus_file: Path, folds: int | None
) -> None:
    stages = prepared(root, corpus_file)
    diverging = trial(1, learning_rate=1e38, pretrained=False)
    bad = run_trial(root, *stages, diverging, 2, folds)
    assert len(bad.trainings) == 1  # one failure is enough
    assert run_trial(root, *stages, diverging, 2, folds).trainings[0].reused
    good = outcome(root, 2, 0.5, 0.7)

    space = SearchSpace(PRESETS["small"], {"learning_rate": Choice((1e38, 0.001))}, 2, 2, 0, folds)
    swept = publish_ranking(root, space, [bad, good])

    assert (swept.counts["trials"], swept.counts["failed"]) == (2, 1)
    rows = json.loads((swept.directory / "trials.json").read_text("utf-8"))
    assert [row["trial"] for row in rows] == [2, 1]
    assert rows[0]["problem"] == ""
    assert rows[0]["macro_f1"]["mean"] == pytest.approx(0.6)
    assert rows[0]["seconds"] == 2.0
    assert re.match(r"seed 0: the loss is (nan|inf) in epoch 1", rows[1]["problem"])
    assert (rows[1]["macro_f1"], rows[1]["accuracy"]) == (None, None)
    assert resolve_preset(str(swept.directory / "best.json")) == good.trial.preset
    assert publish_ranking(root, space, [bad, good]).reused
    links = lineage(root, swept.name)
    made_from = [link.what for link in links if link.depth == 1]
    assert made_from == ["trial", "trial", "fold" if folds else "trial"]
    assert not any(link.problem for link in links)

    none = publish_ranking(root, space, [bad])
    assert none.counts["best"] is None
    assert [path.name for path in none.files()] == ["trials.json"]


def test_a_corpus_without_dev_is_refused_before_any_training(
    root: DataRoot, tmp_path: Path
) -> None:
    file = tmp_path / "news.csv"
    file.write_text("title,label,split\n喜讯,0,train\n火灾,2,train\n喜讯,0,dev\n", encoding="utf-8")
    with pytest.raises(InputError, match="'dev' has no labelled headlines"):
        run_trial(root, *prepared(root, file), trial(), 1)
    assert not root.store.path("sweeps").exists()


def outcome(root: DataRoot, number: int, *figures: float | None) -> TrialResult:
    """A trial result with these macro-F1s by seed; None: the training failed."""
    trainings = []
    for seed, figure in enumerate(figures):
        counts: dict[str, Any] = {"problem": "no", "seconds": 1.0}
        if figure is not None:
            counts = {"problem": "", "macro_f1": figure, "accuracy": 0.5, "seconds": 1.0}
        recipe = Recipe("trial", 1, (), {"number": number, "seed": seed})

        def write(_: Path, counts: dict[str, Any] = counts) -> dict[str, Any]:
            return counts

        trainings.append(root.store.publish(root.trial(recipe.key), recipe, write))
    return TrialResult(trial(number), tuple(trainings))


def test_trials_are_ranked_by_mean_macro_f1_failed_last(root: DataRoot) -> None:
    figures: list[tuple[float | None, ...]] = [
        (0.9, None), (0.0, 0.0), (0.6, 0.7), (0.5, 0.9), (None,), (0.75, 0.5),
    ]  # fmt: skip
    outcomes = [outcome(root, number, *them) for number, them in enumerate(figures, start=1)]
    assert [one.trial.number for one in ranked(outcomes)] == [4, 3, 6, 2, 1, 5]


def test_mean_and_sample_standard_deviation() -> None:
    assert MeanStd.of([0.5, 0.7]) == MeanStd(pytest.approx(0.6), pytest.approx(0.1 * 2**0.5))
    assert str(MeanStd.of([0.5, 0.7])) == "0.600 ± 0.141"
    assert str(MeanStd.of([0.5])) == "0.500"
