from __future__ import annotations

import dataclasses
import json
import logging
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lstm_model import PackedScorer
from lstm_model.architecture import BIAS, IDF, KERNEL, weight_shapes
from lstm_model.branch_config import ArticleConfig, BigramConfig
from lstm_model.bundle import read_bundle, write_bundle
from lstm_model.classifier import build_network
from lstm_model.examples import UNLABELLED, Examples, macro_f1
from lstm_model.inputs import char_bigrams, padded_ids
from lstm_model.presets import PRESETS, Preset
from lstm_model.trainer import TrainingError, adversarial_step, learning_rate, mean_loss
from lstm_model.training import (
    EpochReport,
    Trained,
    train,
)
from lstm_model.word_vectors import WordVectors, learn_vectors


def toy(rows: int, seed: int) -> Examples:
    """Rows whose label is given by one word near their end."""
    rng = np.random.default_rng(seed)
    label_words, other_words = ["涨", "平", "跌"], ["股市", "今天", "公司", "市场", "5G"]
    token_lists, labels = [], []
    for _ in range(rows):
        words = [str(word) for word in rng.choice(other_words + label_words, rng.integers(1, 9))]
        label = int(rng.integers(3))
        token_lists.append([*words, label_words[label], *words[: label % 2]])
        labels.append(label)
    return Examples(token_lists, np.array(labels))


TRAIN, DEV = toy(60, seed=1), toy(30, seed=2)


@pytest.fixture(scope="module")
def preset() -> Preset:
    return dataclasses.replace(
        PRESETS["fast"],
        name="small",
        pretrained=False,
        decay=False,
        min_count=1,
        embedding_size=6,
        units=5,
        dropout=0.4,
        adversarial=0.0,
        batch_size=8,
        epochs=4,
        patience=None,
        learning_rate=0.02,
    )


@pytest.fixture(scope="module")
def undisturbed(preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(preset, TRAIN, DEV, tmp_path_factory.mktemp("undisturbed"))


def assert_same(trained: Trained, expected: Trained) -> None:
    """The same weights to the last bit, and the same history."""
    assert trained.history == expected.history
    assert trained.best_epoch == expected.best_epoch
    assert list(trained.weights) == list(expected.weights)
    for name, weight in expected.weights.items():
        np.testing.assert_array_equal(trained.weights[name], weight, err_msg=name)


class Stopped(Exception):
    pass


def stop_after(epoch: int):
    def on_epoch(report: EpochReport) -> None:
        if report.epoch == epoch:
            raise Stopped

    return on_epoch


def test_training_learns(undisturbed: Trained, preset: Preset) -> None:
    assert undisturbed.history[-1]["dev_accuracy"] > 0.6
    assert [epoch["epoch"] for epoch in undisturbed.history] == [1, 2, 3, 4]
    assert undisturbed.best_epoch == 4  # without patience, the last
    assert len(undisturbed.seconds) == 4
    assert undisturbed.preset == preset
    assert {weight.dtype for weight in undisturbed.weights.values()} == {np.dtype(np.float32)}


def test_two_runs_give_the_same_bits(undisturbed, preset, tmp_path) -> None:
    assert_same(train(preset, TRAIN, DEV, tmp_path), undisturbed)


@pytest.mark.integration
def test_layers_made_before_do_not_change_the_bits(preset, tmp_path) -> None:
    several = dataclasses.replace(preset, readers=3, adversarial=0.5, epochs=1)
    expected = train(several, TRAIN, DEV, tmp_path / "first")
    # Between Keras' names `dropout_9` and `dropout_10` their alphabetical order changes.
    while not keras.layers.Dropout(0.5).name.endswith("_7"):
        pass
    assert_same(train(several, TRAIN, DEV, tmp_path / "second"), expected)


def test_other_draws_do_not_change_the_bits(undisturbed, preset, tmp_path) -> None:
    done = threading.Event()

    def draw() -> None:
        while not done.wait(0.001):
            random.random()
            np.random.random()

    other = threading.Thread(target=draw)
    other.start()
    try:
        trained = train(preset, TRAIN, DEV, tmp_path)
    finally:
        done.set()
        other.join()
    assert_same(trained, undisturbed)


def test_another_seed_gives_another_history(undisturbed, preset, tmp_path) -> None:
    other = train(dataclasses.replace(preset, seed=9, epochs=1), TRAIN, DEV, tmp_path)
    assert other.history[0] != undisturbed.history[0]


@pytest.mark.parametrize("epoch", [1, 3])
def test_stopped_training_resumes_to_the_same_bits(undisturbed, preset, tmp_path, epoch) -> None:
    with pytest.raises(Stopped):
        train(preset, TRAIN, DEV, tmp_path, stop_after(epoch))
    seen: list[int] = []
    resumed = train(preset, TRAIN, DEV, tmp_path, lambda report: seen.append(report.epoch))
    assert seen == list(range(epoch + 1, 5))
    assert_same(resumed, undisturbed)


KILLED = """
import json, os, pathlib, signal, sys
import numpy as np
from lstm_model.examples import Examples
from lstm_model.presets import PRESETS, Preset
from lstm_model.training import train

def kill(report):
    if report.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

preset, directory, rows, labels, dev_rows, dev_labels = json.load(sys.stdin)
train(
    Preset.from_dict(preset),
    Examples(rows, np.array(labels)),
    Examples(dev_rows, np.array(dev_labels)),
    pathlib.Path(directory),
    kill,
)
"""


@pytest.mark.integration
def test_killed_training_resumes_to_the_same_bits(undisturbed, preset, tmp_path) -> None:
    given = [preset.to_dict(), str(tmp_path)]
    for examples in (TRAIN, DEV):
        given += [examples.token_lists, examples.labels.tolist()]
    done = subprocess.run(
        [sys.executable, "-c", KILLED], input=json.dumps(given).encode(), capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    seen: list[int] = []
    resumed = train(preset, TRAIN, DEV, tmp_path, lambda report: seen.append(report.epoch))
    assert seen == [3, 4]
    assert_same(resumed, undisturbed)


@pytest.mark.integration
def test_patience_keeps_the_best_epoch_when_resumed(preset, tmp_path) -> None:
    # With such a high learning rate the macro-F1 goes up and down.
    restless = dataclasses.replace(preset, patience=2, epochs=12, learning_rate=0.1)
    expected = train(restless, TRAIN, DEV, tmp_path / "undisturbed")
    scores = [epoch["dev_macro_f1"] for epoch in expected.history]
    assert scores[expected.best_epoch - 1] == max(scores)
    assert expected.best_epoch == 1 + scores.index(max(scores))
    assert len(scores) == min(12, expected.best_epoch + 2)
    assert expected.best_epoch < len(scores)
    with pytest.raises(Stopped):
        train(restless, TRAIN, DEV, tmp_path, stop_after(expected.best_epoch + 1))
    assert_same(train(restless, TRAIN, DEV, tmp_path), expected)

    predicted = PackedScorer(expected).predict(DEV.token_lists).argmax(axis=1)
    best = expected.history[expected.best_epoch - 1]
    assert np.mean(predicted == DEV.labels) == pytest.approx(best["dev_accuracy"])
    assert macro_f1(DEV.labels, predicted) == pytest.approx(best["dev_macro_f1"])


def test_finished_training_is_not_run_again(undisturbed, preset, tmp_path) -> None:
    train(preset, TRAIN, DEV, tmp_path)
    stored = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = train(preset, TRAIN, DEV, tmp_path, stop_after(1))
    assert_same(again, undisturbed)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == stored


@pytest.mark.integration
def test_checkpoint_of_another_training_is_not_resumed(undisturbed, preset, tmp_path) -> None:
    with pytest.raises(Stopped):
        train(dataclasses.replace(preset, dropout=0.1), TRAIN, DEV, tmp_path, stop_after(3))
    with pytest.raises(Stopped):
        train(
            preset, Examples(TRAIN.token_lists[1:], TRAIN.labels[1:]), DEV, tmp_path, stop_after(1)
        )
    assert_same(train(preset, TRAIN, DEV, tmp_path), undisturbed)


@pytest.mark.integration
@pytest.mark.parametrize("damaged", [1, 2])
def test_corrupt_checkpoint_falls_back_to_an_older_one(
    undisturbed, preset, tmp_path, caplog, damaged
) -> None:
    with pytest.raises(Stopped):
        train(preset, TRAIN, DEV, tmp_path, stop_after(3))
    for path in sorted(tmp_path.glob("*.safetensors"))[-damaged:]:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    seen: list[int] = []
    with caplog.at_level(logging.WARNING):
        resumed = train(preset, TRAIN, DEV, tmp_path, lambda report: seen.append(report.epoch))
    assert "epoch-0003.json is corrupt" in caplog.text
    assert seen == ([3, 4] if damaged == 1 else [1, 2, 3, 4])
    assert_same(resumed, undisturbed)


def test_epoch_reports(preset, tmp_path) -> None:
    reports: list[EpochReport] = []
    trained = train(dataclasses.replace(preset, epochs=2), TRAIN, DEV, tmp_path, reports.append)
    assert [(report.epoch, report.epochs) for report in reports] == [(1, 2), (2, 2)]
    assert reports[0].eta_seconds == reports[0].seconds > 0
    assert reports[1].eta_seconds == 0
    for report, epoch in zip(reports, trained.history, strict=True):
        assert all(getattr(report, name) == value for name, value in epoch.items())


def test_dev_loss_is_the_cross_entropy_of_the_scorer(undisturbed) -> None:
    probabilities = PackedScorer(undisturbed).predict(DEV.token_lists)
    right = probabilities[np.arange(len(DEV.labels)), DEV.labels]
    expected = -np.log(right).mean()
    assert undisturbed.history[-1]["dev_loss"] == pytest.approx(expected, abs=1e-5)


def test_last_rows_serve_as_dev(preset, tmp_path) -> None:
    split = dataclasses.replace(preset, validation_split=0.2, padded_length=6, epochs=1)
    trained = train(split, TRAIN, None, tmp_path)
    predicted = PackedScorer(trained).predict(TRAIN.token_lists[48:]).argmax(axis=1)
    expected = np.mean(predicted == TRAIN.labels[48:])
    assert trained.history[0]["dev_accuracy"] == pytest.approx(expected)


def test_training_with_rows_without_words(preset, tmp_path) -> None:
    rows = Examples([[], [" "], *TRAIN.token_lists], np.append([0, 1], TRAIN.labels))
    trained = train(dataclasses.replace(preset, batch_size=1, epochs=1), rows, DEV, tmp_path)
    assert np.isfinite(trained.history[0]["loss"])


def test_result_is_a_bundle(undisturbed, tmp_path) -> None:
    write_bundle(tmp_path, undisturbed)
    again = read_bundle(tmp_path)
    assert again.vocabulary == undisturbed.vocabulary
    np.testing.assert_array_equal(
        PackedScorer(again).predict(DEV.token_lists),
        PackedScorer(undisturbed).predict(DEV.token_lists),
    )


def test_bad_examples_are_rejected_before_any_write(preset, tmp_path: Path) -> None:
    directory = tmp_path / "checkpoints"
    with pytest.raises(ValueError, match="train: the label of row 1 is 3"):
        train(preset, Examples([["a"], ["b"]], np.array([0, 3])), DEV, directory)
    with pytest.raises(ValueError, match="dev: there are no rows"):
        train(preset, TRAIN, Examples([], np.array([], dtype=int)), directory)
    with pytest.raises(ValueError, match="dev must be given"):
        train(preset, TRAIN, None, directory)
    assert not directory.exists()


def test_non_finite_loss_ends_the_training(preset, tmp_path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 1, batch \d+"):
        train(dataclasses.replace(preset, learning_rate=1e38), TRAIN, DEV, tmp_path)
    assert not list(tmp_path.iterdir())


def test_adversarial_step_follows_the_gradient() -> None:
    # Two titles of two words; the gradient of the second one is zero.
    gradient = tf.constant([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    step = adversarial_step(gradient, 0.5)
    np.testing.assert_allclose(step[0], [[0.3, 0.0], [0.0, 0.4]], atol=1e-7)
    np.testing.assert_array_equal(step[1], np.zeros((2, 2)))


@pytest.mark.integration
def test_adversarial_training_lowers_the_adversarial_loss(preset: Preset, tmp_path: Path) -> None:
    preset = dataclasses.replace(preset, dropout=0.0, label_smoothing=0.0, epochs=12)

    def losses(adversarial: float) -> tuple[float, float]:
        """The loss on the training titles, and with an adversarial step."""
        trained = train(
            dataclasses.replace(preset, adversarial=adversarial), TRAIN, DEV, tmp_path / "here"
        )
        network = build_network(trained.preset, *trained.vocabulary_sizes)
        for weight in network.weights:
            weight.assign(trained.weights[weight.path])
        ids = [
            tf.constant(one)
            for one in padded_ids(preset.input_names, trained.vocabularies, TRAIN.token_lists)
        ]
        target = tf.one_hot(TRAIN.labels, 3)
        vectors = network.embed(ids)
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            loss = mean_loss(target, network.read([*vectors, *ids]))
        gradients = tape.gradient(loss, vectors)
        moved = [one + adversarial_step(g, 0.5) for one, g in zip(vectors, gradients, strict=True)]
        return float(loss), float(mean_loss(target, network.read([*moved, *ids])))

    plain, plain_moved = losses(0.0)
    _, hardened_moved = losses(0.5)
    assert plain_moved > plain
    assert hardened_moved < plain_moved


@pytest.mark.integration
def test_training_learns_from_articles(preset, tmp_path: Path) -> None:
    config = ArticleConfig(100, min_articles=1, c=8.0, network_weight=0.7, article_weight=0.5)
    preset = dataclasses.replace(preset, contents=config, epochs=2)
    titles = [["公告"]] * len(TRAIN.labels)
    articles = [["今天", "涨平跌"[label]] for label in TRAIN.labels]
    given = Examples(titles, TRAIN.labels, articles)
    trained = train(preset, given, given, tmp_path / "whole")
    probabilities = PackedScorer(trained).predict(titles, articles)
    assert (probabilities.argmax(axis=1) == TRAIN.labels).all()
    with pytest.raises(Stopped):
        train(preset, given, given, tmp_path / "interrupted", stop_after(1))
    assert_same(train(preset, given, given, tmp_path / "interrupted"), trained)
    soft_labels = np.eye(3, dtype=np.float32)[TRAIN.labels]
    unlabelled = np.full_like(TRAIN.labels, UNLABELLED)
    taught = train(
        preset, Examples(titles, unlabelled, articles, soft_labels), given, tmp_path / "taught"
    )
    for name in (IDF, KERNEL, BIAS):
        np.testing.assert_array_equal(taught.weights[name], trained.weights[name])
    with pytest.raises(ValueError, match="reads articles, but none are given"):
        train(preset, TRAIN, DEV, tmp_path / "without")
    others = Examples(titles, TRAIN.labels, [list(reversed(words)) for words in articles])
    with pytest.raises(Stopped):  # it starts from its first epoch
        train(preset, others, others, tmp_path / "whole", stop_after(1))


@pytest.mark.integration
def test_training_of_several_branches_is_resumed(preset: Preset, tmp_path: Path) -> None:
    preset = dataclasses.replace(preset, readers=2, pairs=BigramConfig(2, 1, 4), epochs=3)
    whole = train(preset, TRAIN, DEV, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(preset, TRAIN, DEV, tmp_path / "interrupted", stop_after(2))
    assert_same(train(preset, TRAIN, DEV, tmp_path / "interrupted"), whole)
    assert whole.weights.keys() == weight_shapes(preset, *whole.vocabulary_sizes).keys()


def vectors_of(preset: Preset) -> WordVectors:
    return learn_vectors(TRAIN.token_lists, preset.rules, 1, preset.embedding_size, seed=0)


def test_training_starts_from_pretrained_vectors(preset: Preset, tmp_path: Path) -> None:
    preset = dataclasses.replace(preset, pretrained=True, epochs=1, learning_rate=1e-9)
    vectors = vectors_of(preset)
    trained = train(preset, TRAIN, DEV, tmp_path, pretrained=[vectors])
    assert trained.vocabularies == [vectors.vocabulary]
    np.testing.assert_allclose(
        trained.weights["embedding/embeddings"], vectors.vectors, atol=1e-6, rtol=0
    )


@pytest.mark.integration
def test_training_from_vectors_is_resumed(preset: Preset, tmp_path: Path) -> None:
    preset = dataclasses.replace(preset, pretrained=True, epochs=2)
    vectors = vectors_of(preset)
    whole = train(preset, TRAIN, DEV, tmp_path / "whole", pretrained=[vectors])
    with pytest.raises(Stopped):
        train(preset, TRAIN, DEV, tmp_path / "interrupted", stop_after(1), pretrained=[vectors])
    assert_same(train(preset, TRAIN, DEV, tmp_path / "interrupted", pretrained=[vectors]), whole)
    # Other vectors are another training.
    others = dataclasses.replace(vectors, vectors=-vectors.vectors)
    other = train(preset, TRAIN, DEV, tmp_path / "interrupted", pretrained=[others])
    assert other.history != whole.history


def test_each_input_starts_from_its_vectors(preset: Preset, tmp_path: Path) -> None:
    preset = dataclasses.replace(
        preset, pretrained=True, epochs=1, learning_rate=1e-9, pairs=BigramConfig(1, 1, 4)
    )
    pairs = char_bigrams(TRAIN.token_lists, "verbatim")
    vectors = [vectors_of(preset), learn_vectors(pairs, "verbatim", 1, 4, seed=0)]
    trained = train(preset, TRAIN, DEV, tmp_path, pretrained=vectors)
    assert trained.vocabularies == [one.vocabulary for one in vectors]
    for name, one in zip(("embedding", "pair_embedding"), vectors, strict=True):
        found = trained.weights[f"{name}/embeddings"]
        np.testing.assert_allclose(found, one.vectors, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="needs vectors of each input: words, pairs"):
        train(preset, TRAIN, DEV, tmp_path, pretrained=vectors[:1])


def test_vectors_that_do_not_fit_are_rejected(preset: Preset, tmp_path: Path) -> None:
    vectors = vectors_of(preset)
    with pytest.raises(ValueError, match="does not use pretrained vectors"):
        train(preset, TRAIN, DEV, tmp_path, pretrained=[vectors])
    wanting = dataclasses.replace(preset, pretrained=True)
    with pytest.raises(ValueError, match="needs pretrained vectors"):
        train(wanting, TRAIN, DEV, tmp_path)
    longer = dataclasses.replace(wanting, embedding_size=7)
    with pytest.raises(ValueError, match=r"of shape \(\d+, 7\)"):
        train(longer, TRAIN, DEV, tmp_path, pretrained=[vectors])


def test_learning_rate_falls_in_the_second_half(preset: Preset) -> None:
    falling = dataclasses.replace(preset, decay=True, epochs=4, learning_rate=0.1)
    rates = [learning_rate(falling, epoch) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05])
    steady = dataclasses.replace(falling, decay=False)
    assert {learning_rate(steady, epoch) for epoch in (1, 2, 3, 4)} == {0.1}


def test_falling_learning_rate_is_used(undisturbed, preset: Preset, tmp_path: Path) -> None:
    falling = train(dataclasses.replace(preset, decay=True), TRAIN, DEV, tmp_path)
    assert falling.history[:3] == undisturbed.history[:3]
    assert falling.history[3] != undisturbed.history[3]
