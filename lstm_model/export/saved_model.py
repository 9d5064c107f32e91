"""The classifier as a TensorFlow SavedModel, which runs without this package and without Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lstm_model.architecture import EMBEDDINGS, IDF, model_inputs
from lstm_model.classifier import build_classifier
from lstm_model.inputs import CONTENT_COUNTS, ID_INPUTS
from lstm_model.presets import Preset
from lstm_model.row_stable import Floats

MODEL = "saved_model"
OUTPUT = "probabilities"
DETAILS = {"signatures": ["serve", "serving_default"]}


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights into the directory `path`."""
    sizes = [len(weights[f"{EMBEDDINGS[name]}/embeddings"]) for name in preset.input_names]
    if preset.contents is not None:
        sizes.append(len(weights[IDF]))
    model = build_classifier(preset, *sizes)
    for weight in model.weights:
        weight.assign(weights[weight.path])

    def predict(*arrays: Any) -> dict[str, Any]:
        cut = [array[:, : preset.padded_length] for array in arrays]
        return {OUTPUT: model(cut, training=False)}

    inputs = [tf.TensorSpec((None, None), tf.int32, name=name) for name in model_inputs(preset)]
    serve = tf.function(predict, input_signature=inputs, autograph=False)
    # Not the export of Keras: it stores every weight twice.
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(DETAILS["signatures"], serve))


def load(path: Path) -> Callable[[Sequence[NDArray[np.int32]]], Floats]:
    """The written model as a function from ids `(batch, time)` of each input to probabilities."""
    loaded = tf.saved_model.load(str(path))
    _, signature = loaded.signatures["serving_default"].structured_input_signature
    names = [name for name in (*ID_INPUTS.values(), CONTENT_COUNTS) if name in signature]

    def predict(ids: Sequence[NDArray[np.int32]]) -> Floats:
        inputs = {name: tf.constant(array) for name, array in zip(names, ids, strict=True)}
        # From `loaded` at every call: a signature alone does not keep the weights alive.
        outputs = loaded.signatures["serving_default"](**inputs)
        return np.asarray(outputs[OUTPUT], dtype=np.float32)

    return predict
