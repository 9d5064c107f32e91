"""The classifier as a TensorFlow SavedModel, which runs without this package and without Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lstm_model.classifier import build_classifier
from lstm_model.presets import EMBEDDINGS, Preset, views
from lstm_model.views import INPUTS

MODEL = "saved_model"
OUTPUT = "probabilities"
DETAILS = {"signatures": ["serve", "serving_default"]}

Floats = NDArray[np.float32]


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights into the directory `path`."""
    names = views(preset)
    sizes = (len(weights[f"{EMBEDDINGS[view]}/embeddings"]) for view in names)
    model = build_classifier(preset, *sizes)
    for weight in model.weights:
        weight.assign(weights[weight.path])

    def predict(*ids: Any) -> dict[str, Any]:
        return {OUTPUT: model([one[:, : preset.padded_length] for one in ids], training=False)}

    inputs = [tf.TensorSpec((None, None), tf.int32, name=INPUTS[view]) for view in names]
    serve = tf.function(predict, input_signature=inputs, autograph=False)
    # Not Keras's own export: it stores every weight twice.
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(DETAILS["signatures"], serve))


def load(path: Path) -> Callable[[Sequence[NDArray[np.int32]]], Floats]:
    """What `write` wrote, as a function from ids `(batch, time)` of each view to probabilities."""
    loaded = tf.saved_model.load(str(path))
    _, wanted = loaded.signatures["serving_default"].structured_input_signature
    names = [name for name in INPUTS.values() if name in wanted]

    def predict(ids: Sequence[NDArray[np.int32]]) -> Floats:
        inputs = {name: tf.constant(one) for name, one in zip(names, ids, strict=True)}
        # From `loaded` at every call: a signature alone does not keep the weights alive.
        outputs = loaded.signatures["serving_default"](**inputs)
        return np.asarray(outputs[OUTPUT], dtype=np.float32)

    return predict
