"""Training on a small corpus: reuse, resumption, and promotion of the first model."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import examples
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.metrics.calibration import calibration_metrics
from headlines.models import champion, registry
from headlines.models.presets import resolve_preset
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.train import train
from lstm_model.calibration import Calibration, log_probabilities
from lstm_model.packed import PackedScorer
from lstm_model.presets import PRESETS


def prepared(root: DataRoot, corpus_file: Path | str) -> tuple[Artifact, Artifact]:
    corpus = ingest(root, "news", str(corpus_file))
    return corpus, segment_corpus(root, corpus)


def data(model: Artifact) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in model.manifest.files}


TRAIN = """
import sys
from headlines.models.presets import resolve_preset
from headlines.storage.data_root import DataRoot
from headlines.training.train import train
from tests.headlines.training.test_train import prepared

root = DataRoot.open(sys.argv[1])
train(root, *prepared(root, sys.argv[2]), resolve_preset(sys.argv[3]))
"""


@pytest.mark.integration  # it imports TensorFlow in another process
def test_fresh_and_used_processes_train_the_same_model(
    tmp_path: Path, corpus_file: Path, small_preset: str
) -> None:
    preset = tmp_path / "small.json"
    preset.write_text(json.dumps(PRESETS[small_preset].to_dict()), encoding="utf-8")
    fresh = DataRoot.open(tmp_path / "fresh")  # as a flow run trains
    command = [sys.executable, "-c", TRAIN, fresh.url, str(corpus_file), str(preset)]
    subprocess.run(command, cwd=Path(__file__).parents[3], check=True)
    expected = champion.open_champion(fresh)
    # TensorFlow has been used in this process, by the first training at the latest.
    for name in ("one", "two"):
        root = DataRoot.open(tmp_path / name)
        model = train(root, *prepared(root, corpus_file), resolve_preset(str(preset)))
        assert data(model) == data(expected)
        assert model.manifest.key == expected.manifest.key


@pytest.mark.integration
@pytest.mark.usefixtures("small_preset")
def test_an_interrupted_training_resumes_and_ends_the_same(
    tmp_path: Path, corpus_file: Path
) -> None:
    class Cut(Exception):
        pass

    def cut_after_two(report: Any) -> None:
        seen.append(report.epoch)
        if report.epoch == 2:
            raise Cut

    seen: list[int] = []
    undisturbed = DataRoot.open(tmp_path / "undisturbed")
    whole = train(undisturbed, *prepared(undisturbed, corpus_file), resolve_preset("small"))
    root = DataRoot.open(tmp_path / "cut")
    stages = prepared(root, corpus_file)
    with pytest.raises(Cut):
        train(root, *stages, resolve_preset("small"), cut_after_two)
    assert registry.versions(root) == []

    resumed = train(root, *stages, resolve_preset("small"), lambda r: seen.append(r.epoch))

    assert seen == [1, 2, 3]  # the finished epochs are not run again
    assert data(resumed) == data(whole)
    assert champion.open_champion(root).directory == resumed.directory
    again = train(root, *stages, resolve_preset("small"), lambda r: seen.append(r.epoch))
    assert again.reused
    assert seen == [1, 2, 3]


@pytest.mark.usefixtures("small_preset")
def test_the_temperature_is_fitted_on_dev_and_stored(root: DataRoot, tmp_path: Path) -> None:
    words = [
        ("获奖", 0),
        ("火灾", 2),
        ("天气", 0),
        ("天气", 1),
        ("天气", 2),
    ]  # not stored in the model
    rows = [
        f"{word}第{number}{of}号,{label},{split}\n"
        for split, of in (("train", "甲"), ("dev", "乙"))
        for number, (word, label) in enumerate(words * 4)
    ]
    file = tmp_path / "news.csv"
    file.write_text("title,label,split\n" + "".join(rows), encoding="utf-8")
    corpus, tokens = prepared(root, file)
    preset = dataclasses.replace(resolve_preset("small"), epochs=20, learning_rate=0.02)

    model = train(root, corpus, tokens, preset)

    scorer = PackedScorer.load(model.directory)
    dev = examples(corpus, tokens, "dev", PRESETS["notebook"], Segmenter())

    def loss(temperature: float) -> float:
        probabilities = Calibration(temperature).probabilities(logits)
        return float(-np.log(probabilities[np.arange(len(dev.labels)), dev.labels]).mean())

    logits = log_probabilities(scorer.predict(dev.token_lists)) * scorer.calibration.temperature
    fitted = scorer.calibration.temperature
    assert fitted != 1.0
    assert all(loss(fitted) <= loss(other) + 1e-6 for other in (0.9 * fitted, 1.1 * fitted, 1.0))
    metrics = json.loads((model.directory / "metrics.json").read_text("utf-8"))["dev"]
    assert metrics["temperature"] == fitted
    before = Calibration(1.0).probabilities(logits)
    assert metrics["ece_before"] == pytest.approx(
        calibration_metrics(before, dev.labels, before.argmax(axis=1))["ece"], abs=1e-5
    )
    after = scorer.predict(dev.token_lists)
    ece = calibration_metrics(after, dev.labels, after.argmax(axis=1))["ece"]
    assert metrics["ece"] == pytest.approx(ece, abs=1e-5)  # training measures by NumPy


@pytest.mark.usefixtures("small_preset")
def test_a_damaged_model_is_not_retrained_silently(root: DataRoot, corpus_file: Path) -> None:
    stages = prepared(root, corpus_file)
    model = train(root, *stages, resolve_preset("small"))
    weights = model.directory / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])

    with pytest.raises(InputError, match="damaged"):
        train(root, *stages, resolve_preset("small"))


def test_leaked_titles_are_excluded_by_default(root: DataRoot, tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_text(
        "title,label,split\n喜讯,0,train\n火灾,2,train\n公告,,train\n喜讯,0,dev\nＡ,1,train\nA,1,test\n",
        encoding="utf-8",
    )
    corpus, tokens = prepared(root, file)

    assert read_corpus(corpus, ["title", "leaked"])["leaked"].tolist() == [
        True, False, False, True, True, True,
    ]  # fmt: skip
    honest = examples(corpus, tokens, "train", PRESETS["notebook"], Segmenter(), keep_leaked=False)
    assert (honest.token_lists, honest.labels.tolist()) == ([["火灾"]], [2])
    everything = examples(corpus, tokens, "train", PRESETS["notebook"], Segmenter())
    # Without the unlabelled row, and half-width.
    assert everything.token_lists == [["喜讯"], ["火灾"], ["A"]]
    with pytest.raises(InputError, match="no labelled headlines"):
        examples(corpus, tokens, "nothing", PRESETS["notebook"], Segmenter())
