"""The classifier as a TensorFlow SavedModel, which runs without this package and without Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lstm_model.classifier import build_classifier
from lstm_model.presets import Preset

MODEL = "saved_model"
INPUT, OUTPUT = "ids", "probabilities"
DETAILS = {"signatures": ["serve", "serving_default"]}

Floats = NDArray[np.float32]


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights into the directory `path`."""
    model = build_classifier(preset, len(weights["embedding/embeddings"]))
    for weight in model.weights:
        weight.assign(weights[weight.path])

    def predict(ids: Any) -> dict[str, Any]:
        return {OUTPUT: model(ids[:, : preset.padded_length], training=False)}

    ids = tf.TensorSpec((None, None), tf.int32, name=INPUT)
    serve = tf.function(predict, input_signature=[ids], autograph=False)
    # Not Keras's own export: it stores every weight twice.
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(DETAILS["signatures"], serve))


def load(path: Path) -> Callable[[NDArray[np.int32]], Floats]:
    """What `write` wrote, as a function from ids `(batch, time)` to probabilities."""
    loaded = tf.saved_model.load(str(path))

    def predict(ids: NDArray[np.int32]) -> Floats:
        # From `loaded` at every call: a signature alone does not keep the weights alive.
        outputs = loaded.signatures["serving_default"](**{INPUT: tf.constant(ids)})
        return np.asarray(outputs[OUTPUT], dtype=np.float32)

    return predict
