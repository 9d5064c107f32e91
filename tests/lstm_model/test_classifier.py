from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest

from lstm_model.architecture import weight_shapes
from lstm_model.branch_config import ArticleConfig, BigramConfig
from lstm_model.classifier import MaxMeanPooling, build_classifier
from lstm_model.presets import PRESETS

ARTICLES = ArticleConfig(50, min_articles=1, c=1.0, network_weight=0.7, article_weight=0.5)


def test_notebook_classifier_has_2348771_weights() -> None:
    assert build_classifier(PRESETS["notebook"], 18_188).count_params() == 2_348_771


@pytest.mark.parametrize(
    ("bidirectional", "pooling", "readers", "further_inputs"),
    [
        *product([False, True], ["last", "max_mean"], [1, 3], [{}]),
        *product(
            [True],
            ["last", "max_mean"],
            [2],
            [
                {"pairs": BigramConfig(2, 1, 4)},
                {"contents": ARTICLES},
                {"pairs": BigramConfig(2, 1, 4), "contents": ARTICLES},
            ],
        ),
    ],
)
def test_weights_match_weight_shapes(
    make_preset, bidirectional, pooling, readers, further_inputs
) -> None:
    preset = make_preset(
        bidirectional=bidirectional, pooling=pooling, readers=readers, **further_inputs
    )
    sizes = (11, 17, 13)[: 1 + len(further_inputs)]
    model = build_classifier(preset, *sizes)
    shapes = {weight.path: tuple(weight.shape) for weight in model.weights}
    assert shapes == weight_shapes(preset, *sizes)
    ids = np.array([[2, 3, 0], [0, 0, 0]])
    probabilities = model.predict([ids] * len(model.inputs), verbose=0)
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    longer = model.predict([np.array([[2, 3, 0, 0, 0, 0]])] * len(model.inputs), verbose=0)
    np.testing.assert_allclose(longer[0], probabilities[0], atol=1e-6)


def test_logits_are_the_mean_of_the_branches(make_preset):
    ids = np.array([[2, 3, 4], [5, 6, 0]])
    three = build_classifier(make_preset(readers=3), 11)
    weights = {weight.path: np.asarray(weight) for weight in three.weights}
    logits = []
    for ending in ("", "_2", "_3"):
        one = build_classifier(make_preset(), 11)
        for weight in one.weights:
            layer, _, name = weight.path.partition("/")
            ending_here = "" if layer == "embedding" else ending
            weight.assign(weights[f"{layer}{ending_here}/{name}"])
        logits.append(np.log(one.predict(ids, verbose=0)))
    assert np.ptp(logits, axis=0).max() > 1e-3  # they do differ
    mean = np.exp(np.mean(logits, axis=0))
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(three.predict(ids, verbose=0), expected, atol=1e-6)


def test_pooling_ignores_masked_steps() -> None:
    steps = np.array([[[1.0, -4], [3, -2], [9, 9]], [[5, 5], [5, 5], [5, 5]]], dtype=np.float32)
    mask = np.array([[True, True, False], [False, False, False]])
    pooled = MaxMeanPooling()(steps, mask=mask)
    np.testing.assert_allclose(pooled, [[3, -2, 2, -3], [0, 0, 0, 0]])
    np.testing.assert_allclose(MaxMeanPooling()(steps)[0], [9, 9, 13 / 3, 1], atol=1e-6)


def test_saved_and_loaded(make_preset, tmp_path) -> None:
    model = build_classifier(make_preset(), 11)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    ids = np.array([[2, 3, 0]])
    np.testing.assert_array_equal(again.predict(ids, verbose=0), model.predict(ids, verbose=0))
