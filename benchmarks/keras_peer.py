"""The classifier with `keras.layers.LSTM` instead of `CustomLSTM`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import CLASSES, EMBEDDINGS, branches
from lstm_model.classifier import MaxMeanPooling
from lstm_model.presets import Preset

KERAS_GATES = "ifco"  # the order of the gates in the weights of `keras.layers.LSTM`


def keras_classifier(preset: Preset, *vocabulary_sizes: int) -> Any:
    """The `keras.Model` of `preset`, written with Keras' own layers."""
    layers = keras.layers
    every_step = preset.pooling == "max_mean"
    ids = [keras.Input((None,), dtype="int32") for _ in preset.inputs]
    vectors = {
        text_input.name: layers.Embedding(
            size, text_input.embedding_size, mask_zero=True, name=EMBEDDINGS[text_input.name]
        )(of_input)
        for text_input, size, of_input in zip(preset.inputs, vocabulary_sizes, ids, strict=True)
    }
    logits = []
    for branch in branches(preset):
        x = layers.Dropout(preset.dropout)(vectors[branch.input])
        lstm = layers.LSTM(preset.units, return_sequences=every_step, name=branch.lstms[0])
        x = (layers.Bidirectional(lstm, name=branch.lstms[0]) if preset.bidirectional else lstm)(x)
        x = MaxMeanPooling()(x) if every_step else x
        logits.append(layers.Dense(CLASSES, name=branch.dense)(layers.Dropout(preset.dropout)(x)))
    mean = layers.Average()(logits) if len(logits) > 1 else logits[0]
    return keras.Model(ids, layers.Softmax()(mean), name="classifier")


def with_weights(model: Any, preset: Preset, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """`model`, from `keras_classifier`, with the weights of a bundle."""
    for name in preset.input_names:
        embedding = EMBEDDINGS[name]
        model.get_layer(embedding).set_weights([weights[f"{embedding}/embeddings"]])
    for branch in branches(preset):
        recurrent = [
            np.concatenate([weights[f"{lstm}/{kind}{gate}"] for gate in KERAS_GATES], axis=-1)
            for lstm in branch.lstms
            for kind in "wub"
        ]
        model.get_layer(branch.lstms[0]).set_weights(recurrent)
        dense = [weights[f"{branch.dense}/{kind}"] for kind in ("kernel", "bias")]
        model.get_layer(branch.dense).set_weights(dense)
    return model
