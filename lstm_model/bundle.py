"""The model bundle: a trained classifier as a directory of data files.

    weights.safetensors   the weights, float32, named and shaped as `presets.weight_shapes` says
    config.json           format, preset, size of the vocabulary, classes, names and shapes
    vocabulary.json       words and text rules
    history.json          the figures of every epoch, and which epoch's weights these are

Reading runs nothing that is stored, and checks names, types and shapes before it loads a weight.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from lstm_model.presets import CLASSES, Preset, weight_shapes
from lstm_model.vocabulary import Vocabulary

FILE_FORMAT = "lstm_model.bundle/1"
WEIGHTS, CONFIG = "weights.safetensors", "config.json"
VOCABULARY, HISTORY = "vocabulary.json", "history.json"


class BundleError(ValueError):
    """A bundle is missing, damaged or not one of ours; the message says which file and why."""


@dataclass(frozen=True)
class Bundle:
    """A trained classifier.

    Attributes:
        preset: what it was trained with.
        vocabulary: its words.
        weights: float32 arrays by name, as `presets.weight_shapes` lists them.
        history: for each epoch `epoch`, `loss`, `accuracy`, `dev_loss`, `dev_accuracy`,
            `dev_macro_f1`.
        best_epoch: the epoch that the weights are from.
    """

    preset: Preset
    vocabulary: Vocabulary
    weights: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]]
    best_epoch: int


def write_bundle(directory: Path, bundle: Bundle) -> None:
    """Write `bundle` into `directory`, made if missing: the same bundle gives the same bytes.

    Durability and publishing at once are the caller's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    size = len(bundle.vocabulary)
    config = {
        "format": FILE_FORMAT,
        "classes": CLASSES,
        "vocabulary_size": size,
        "preset": bundle.preset.to_dict(),
        "weights": weight_shapes(bundle.preset, size),
    }
    # Not `save_file`: on a full disk that raises no OSError.
    (directory / WEIGHTS).write_bytes(safetensors.numpy.save(bundle.weights))
    _write_json(directory / CONFIG, config)
    bundle.vocabulary.save(directory / VOCABULARY)
    _write_json(directory / HISTORY, {"best_epoch": bundle.best_epoch, "epochs": bundle.history})


def read_bundle(directory: Path) -> Bundle:
    """Read what `write_bundle` wrote.

    Raises:
        BundleError: a file is missing or unreadable, of another format, contradicts another one,
            or a weight is missing, superfluous, of the wrong type or shape, or not finite.
    """
    config = _read_json(directory / CONFIG)
    if config.get("format") != FILE_FORMAT:
        raise BundleError(
            f"{directory / CONFIG}: the format is {config.get('format')!r}, not {FILE_FORMAT!r}"
        )
    if config.get("classes") != CLASSES:
        raise BundleError(
            f"{directory / CONFIG}: {config.get('classes')!r} classes where {CLASSES} are known"
        )
    try:
        preset = Preset.from_dict(_object(config.get("preset")))
    except ValueError as error:
        raise BundleError(f"{directory / CONFIG}: {error}") from error
    try:
        vocabulary = Vocabulary.load(directory / VOCABULARY)
    except (OSError, ValueError) as error:
        raise BundleError(str(error)) from error
    size = len(vocabulary)
    if config.get("vocabulary_size") != size or vocabulary.rules != preset.rules:
        raise BundleError(
            f"{directory / VOCABULARY}: {size} words by {vocabulary.rules!r}, where {CONFIG} has "
            f"{config.get('vocabulary_size')!r} by {preset.rules!r}"
        )
    weights = _read_weights(directory / WEIGHTS, weight_shapes(preset, size))
    history, best_epoch = _read_history(directory / HISTORY)
    return Bundle(preset, vocabulary, weights, history, best_epoch)


def _read_weights(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    weights: dict[str, NDArray[np.float32]] = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            for name in sorted(shapes.keys() ^ names):
                raise BundleError(
                    f"{path}: {name} is {'missing' if name in shapes else 'not of this classifier'}"
                )
            # All headers before any array: a wrong file must not cost the memory it claims.
            for name, shape in shapes.items():
                header = file.get_slice(name)
                found = tuple(header.get_shape())
                if header.get_dtype() != "F32" or found != shape:
                    raise BundleError(
                        f"{path}: {name} is {header.get_dtype()} {found}, not F32 {shape}"
                    )
            for name in shapes:
                weights[name] = file.get_tensor(name)
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: {error}") from error
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise BundleError(f"{path}: {name} holds a value that is not a finite number")
    return weights


def _read_history(path: Path) -> tuple[list[dict[str, float]], int]:
    data = _read_json(path)
    epochs, best_epoch = data.get("epochs"), data.get("best_epoch")
    if (
        not isinstance(epochs, list)
        or not all(isinstance(epoch, dict) for epoch in epochs)
        or not all(_is_finite(value) for epoch in epochs for value in epoch.values())
        or not isinstance(best_epoch, int)
    ):
        raise BundleError(f"{path}: not a history of epochs")
    return epochs, best_epoch


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _object(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"a JSON object was expected, not {type(data).__name__}")
    return data
