"""The classifier with `keras.layers.LSTM` instead of `CustomLSTM`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES, branches
from lstm_model.classifier import MaxMeanPooling
from lstm_model.presets import Preset

KERAS_GATES = "ifco"  # the order of the gates in the weights of `keras.layers.LSTM`


def keras_classifier(preset: Preset, vocabulary_size: int) -> Any:
    """The `keras.Model` of `preset`, of one branch, written with Keras' own layers."""
    layers = keras.layers
    every_step = preset.pooling == "max_mean"
    model = keras.Sequential([keras.Input((None,), dtype="int32")], name="classifier")
    model.add(layers.Embedding(vocabulary_size, preset.embedding_size, mask_zero=True))
    model.add(layers.Dropout(preset.dropout))
    lstm = layers.LSTM(preset.units, return_sequences=every_step)
    model.add(layers.Bidirectional(lstm) if preset.bidirectional else lstm)
    if every_step:
        model.add(MaxMeanPooling())
    model.add(layers.Dropout(preset.dropout))
    model.add(layers.Dense(CLASSES, activation="softmax"))
    return model


def with_weights(model: Any, preset: Preset, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """`model`, from `keras_classifier`, with the weights of a bundle."""
    [branch] = branches(preset)
    recurrent = [
        np.concatenate([weights[f"{lstm}/{kind}{gate}"] for gate in KERAS_GATES], axis=-1)
        for lstm in branch.lstms
        for kind in "wub"
    ]
    dense = [weights["dense/kernel"], weights["dense/bias"]]
    model.set_weights([weights["embedding/embeddings"], *recurrent, *dense])
    return model
