"""Small presets and random classifiers for the tests of `lstm_model`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_model.architecture import IDF, weight_shapes
from lstm_model.bundle import Bundle, write_bundle
from lstm_model.inputs import char_bigrams
from lstm_model.presets import PRESETS, Preset
from lstm_model.vocabulary import UNKNOWN, Vocabulary

WORDS = ["股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气", "晴", "AI", "5G", "!", "《", "》"]


@pytest.fixture
def make_preset() -> Callable[..., Preset]:
    """A preset small enough to train in a second; `fields` overrides its fields."""

    def make(**fields: Any) -> Preset:
        small: dict[str, Any] = {
            "name": "small",
            "pretrained": False,
            "decay": False,
            "readers": 1,
            "pairs": None,
            "contents": None,
            "adversarial": 0.0,
            "min_count": 1,
            "embedding_size": 6,
            "units": 5,
            "batch_size": 8,
            "epochs": 4,
            "patience": None,
            "seed": 3,
        }
        return dataclasses.replace(PRESETS["default"], **{**small, **fields})

    return make


@pytest.fixture
def make_bundle(make_preset: Callable[..., Preset]) -> Callable[..., Bundle]:
    """A classifier with random weights large enough for different probabilities."""

    def make(**fields: Any) -> Bundle:
        preset = make_preset(**fields)
        vocabularies = [Vocabulary.build([WORDS], preset.rules)]
        if preset.pairs:
            pairs = char_bigrams([WORDS, WORDS[::-1], [*WORDS[3:], *WORDS[:3]]], preset.rules)
            vocabularies.append(Vocabulary.build(pairs, "verbatim"))
        if preset.contents:
            vocabularies.append(Vocabulary.build([WORDS[::-1]], preset.rules))
        rng = np.random.default_rng(1)
        weights = {
            name: rng.standard_normal(shape, np.float32) * np.float32(0.5)
            for name, shape in weight_shapes(preset, *map(len, vocabularies)).items()
        }
        if preset.contents:
            weights[IDF] = np.abs(weights[IDF])
            weights[IDF][: UNKNOWN + 1] = 0
        history = [{"epoch": 1, "loss": 1.0, "dev_macro_f1": 0.5}]
        return Bundle(preset, vocabularies, weights, history, best_epoch=1)

    return make


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    """One of `make_bundle`."""
    return make_bundle()


@pytest.fixture
def stored(tmp_path: Path, bundle: Bundle) -> Path:
    """The directory of a written `bundle`."""
    write_bundle(tmp_path / "model", bundle)
    return tmp_path / "model"
