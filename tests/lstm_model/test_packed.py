from __future__ import annotations

import dataclasses
import platform
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_model import PackedScorer, gate_inputs
from lstm_model.branch_config import ArticleConfig, BigramConfig
from lstm_model.bundle import write_bundle
from lstm_model.bundle_files import BundleError
from lstm_model.calibration import Calibration
from lstm_model.classifier import build_classifier
from lstm_model.inputs import padded_ids
from lstm_model.kernel import KERNELS
from lstm_model.linear import padded_counts
from lstm_model.numpy_kernel import STEP_ROWS
from lstm_model.packed import LOOKUP_ROWS
from lstm_model.vocabulary import UNKNOWN

WORDS = ["股市", "大涨", "下跌", "地震", "AI", "!", " ", "没见过"]
ROWS = [
    ["股市", "大涨"],
    [],
    ["没见过", "AI", "!", "地震"],
    [" "],
    ["下跌"] * 9,
    ["AI", "股市", "地震", "下跌", "大涨", "没见过", "股市"],
    ["没见过"],
]
ARCHITECTURES = list(
    product([False, True], ["last", "max_mean"], [None, 5], ["verbatim", "text_vectorization"])
)


def scorers(bundle, directory) -> list[PackedScorer]:
    """Scorers by all kernels, of `bundle` and of what was written of it."""
    return [
        scorer
        for kernel in KERNELS
        for scorer in (
            PackedScorer(bundle, kernel=kernel),
            PackedScorer.load(directory, kernel=kernel),
        )
    ]


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize(("bidirectional", "pooling", "length", "rules"), ARCHITECTURES)
def test_probabilities_match_the_keras_model(
    make_bundle, bidirectional, pooling, length, rules, readers
) -> None:
    bundle = make_bundle(
        bidirectional=bidirectional,
        pooling=pooling,
        padded_length=length,
        rules=rules,
        readers=readers,
    )
    model = build_classifier(bundle.preset, *bundle.vocabulary_sizes)
    for weight in model.weights:
        weight.assign(bundle.weights[weight.path])
    ids = padded_ids(["words"], bundle.vocabularies, ROWS, padded_length=length)
    expected = model.predict(ids, verbose=0)
    by_numpy = PackedScorer(bundle, kernel="numpy").predict(ROWS)
    assert np.ptp(by_numpy, axis=0).max() > 0.02  # the rows do differ
    for kernel in KERNELS:
        probabilities = PackedScorer(bundle, kernel=kernel).predict(ROWS)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        np.testing.assert_allclose(probabilities, by_numpy, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "max_mean"])
def test_bigram_branches_match_the_keras_model(make_bundle, tmp_path, pooling) -> None:
    bundle = make_bundle(readers=2, pairs=BigramConfig(3, 1, 4), pooling=pooling)
    model = build_classifier(bundle.preset, *bundle.vocabulary_sizes)
    for weight in model.weights:
        weight.assign(bundle.weights[weight.path])
    ids = padded_ids(["words", "pairs"], bundle.vocabularies, ROWS)
    expected = model.predict(ids, verbose=0)
    write_bundle(tmp_path, bundle)
    for scorer in scorers(bundle, tmp_path):
        np.testing.assert_allclose(scorer.predict(ROWS), expected, atol=1e-5)
        alone = np.concatenate([scorer.predict([row]) for row in ROWS])
        np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert scorer.predict([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("pooling", "pairs"), [("last", None), ("max_mean", BigramConfig(1, 1, 4))]
)
def test_the_path_of_articles_matches_the_keras_model(
    make_bundle, tmp_path, pooling, pairs
) -> None:
    config = ArticleConfig(90, min_articles=1, c=1.0, network_weight=0.7, article_weight=0.5)
    bundle = make_bundle(readers=2, pairs=pairs, contents=config, pooling=pooling)
    contents = [*ROWS[1:], []]  # others than the titles, and none for the last one
    model = build_classifier(bundle.preset, *bundle.vocabulary_sizes)
    for weight in model.weights:
        weight.assign(bundle.weights[weight.path])
    names = bundle.preset.input_names
    ids = padded_ids(names, bundle.vocabularies[: len(names)], ROWS)
    ids += padded_counts(bundle.vocabularies[-1], contents)
    expected = model.predict(ids, verbose=0)
    write_bundle(tmp_path, bundle)
    for scorer in scorers(bundle, tmp_path):
        np.testing.assert_allclose(scorer.predict(ROWS, contents), expected, atol=1e-5)
        alone = [scorer.predict([row], [one]) for row, one in zip(ROWS, contents, strict=True)]
        np.testing.assert_array_equal(np.concatenate(alone), scorer.predict(ROWS, contents))
    titles_alone = dataclasses.replace(
        bundle,
        preset=dataclasses.replace(bundle.preset, contents=None),
        vocabularies=bundle.vocabularies[:-1],
    )
    without = scorer.predict(ROWS, [[]] * len(ROWS))
    titles_scorer = PackedScorer(titles_alone, kernel=scorer.kernel)
    np.testing.assert_array_equal(without, titles_scorer.predict(ROWS))
    vocabulary = bundle.vocabularies[-1]
    known = [(vocabulary.ids([words])[0] > UNKNOWN).any() for words in contents]
    assert set(known) == {False, True}
    np.testing.assert_array_equal(np.abs(without - expected).max(axis=1) > 1e-5, known)


def test_loaded_scorer_gives_the_same_bits(make_bundle, tmp_path) -> None:
    write_bundle(tmp_path, make_bundle())
    first = PackedScorer.load(tmp_path).predict(ROWS)
    np.testing.assert_array_equal(first, PackedScorer(make_bundle()).predict(ROWS))
    np.testing.assert_array_equal(first, PackedScorer.load(tmp_path).predict(ROWS))
    with pytest.raises(BundleError):
        PackedScorer.load(tmp_path / "missing")


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_scorer_without_a_table_gives_the_same(
    make_bundle, tmp_path, monkeypatch, bidirectional, readers
):
    bundle = make_bundle(bidirectional=bidirectional, readers=readers)
    expected = PackedScorer(bundle).predict(ROWS)
    monkeypatch.setattr(gate_inputs, "MAX_TABLE_BYTES", 100)
    write_bundle(tmp_path, bundle)
    for scorer in scorers(bundle, tmp_path):
        probabilities = scorer.predict(ROWS)
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
        alone = np.concatenate([scorer.predict([row]) for row in ROWS])
        np.testing.assert_allclose(alone, probabilities, rtol=0, atol=1e-6)
        many = scorer.predict([ROWS[n % len(ROWS)] for n in range(2 * LOOKUP_ROWS + 3)])
        np.testing.assert_allclose(
            many, probabilities[np.arange(len(many)) % len(ROWS)], rtol=0, atol=1e-6
        )


def test_calibration_is_applied(make_bundle) -> None:
    plain = PackedScorer(make_bundle())
    calibration = Calibration(temperature=2.0, thresholds=(0.001, 1.0, 1.0))
    scorer = PackedScorer(dataclasses.replace(make_bundle(), calibration=calibration))
    before, after = plain.predict(ROWS), scorer.predict(ROWS)
    roots = np.sqrt(before)  # exp(z/2) is the root of exp(z)
    np.testing.assert_allclose(after, roots / roots.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(plain.labels(before), before.argmax(axis=1))
    assert not scorer.labels(after).any()  # so low a threshold makes every row class 0


rows = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("bidirectional", "pooling"), list(product([False, True], ["last", "max_mean"]))
)
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_row_does_not_depend_on_other_rows_or_order(
    make_bundle, monkeypatch, bidirectional, pooling, folded, kernel
) -> None:
    if not folded:
        monkeypatch.setattr(gate_inputs, "MAX_TABLE_BYTES", 100)
    bundle = make_bundle(bidirectional=bidirectional, pooling=pooling, units=32)
    scorer = PackedScorer(bundle, kernel=kernel)

    @settings(max_examples=40, deadline=None)
    @given(rows, st.randoms(use_true_random=False))
    def holds(batch, random) -> None:
        together = scorer.predict(batch)
        order = list(range(len(batch)))
        random.shuffle(order)
        shuffled = scorer.predict([batch[n] for n in order])
        alone = np.concatenate([scorer.predict([row]) for row in batch])
        np.testing.assert_allclose(shuffled, together[order], rtol=0, atol=1e-6)
        np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)
        if kernel != "numpy" or platform.machine() == "x86_64":
            np.testing.assert_array_equal(shuffled, together[order])
            np.testing.assert_array_equal(alone, together)
        np.testing.assert_array_equal(scorer.predict(batch), together)
        np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)

    holds()


@pytest.mark.parametrize("kernel", KERNELS)
def test_more_rows_than_are_stepped_together(make_bundle, kernel) -> None:
    scorer = PackedScorer(make_bundle(), kernel=kernel)
    many = [ROWS[n % len(ROWS)] for n in range(2 * STEP_ROWS + 3)]
    expected = scorer.predict(ROWS)
    np.testing.assert_allclose(
        scorer.predict(many),
        [expected[n % len(ROWS)] for n in range(len(many))],
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_very_long_row_does_not_slow_the_others(make_bundle, kernel) -> None:
    scorer = PackedScorer(make_bundle(), kernel=kernel)
    batch = [["股市"] * 20_000, *[["大涨"]] * 2000]
    probabilities = scorer.predict(batch)
    np.testing.assert_allclose(probabilities[1:], scorer.predict(batch[1:]), rtol=0, atol=1e-6)


def test_rows_are_cut_at_padded_length(make_bundle) -> None:
    scorer = PackedScorer(make_bundle(padded_length=3))
    long, cut = ["股市", "大涨", "下跌", "地震"], ["股市", "大涨", "下跌"]
    probabilities = scorer.predict([long, cut])
    np.testing.assert_allclose(probabilities[0], probabilities[1], rtol=0, atol=1e-6)


def test_no_rows(make_bundle) -> None:
    probabilities = PackedScorer(make_bundle()).predict([])
    assert probabilities.shape == (0, 3)
    assert probabilities.dtype == np.float32
