"""The model bundle: a trained classifier as a directory of data files.

    weights.safetensors   the weights, float32, named and shaped as `architecture.weight_shapes`
    table.npy             the gate inputs of every word, unless they would be too large
    vocabulary.json       words and text rules; for a classifier that reads character bigrams or
                          articles, `pair_vocabulary.json` and `content_vocabulary.json` too
    calibration.json      temperature and class thresholds
    history.json          the figures of every epoch, and which epoch's weights these are
    config.json           format, preset, sizes of the vocabularies, classes, names and shapes, and
                          the SHA-256 of the files above

The directory holds nothing else but `metrics.json`, `report.html` and `_manifest.json`, which an
artifact adds, and files whose names begin with a dot, which are never read.

Reading executes nothing that is stored. It checks `config.json`, the sizes of the files, their
digests, and the weights' names, types and shapes, each before anything is read for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from lstm_model.architecture import CLASSES, weight_shapes
from lstm_model.bundle_arrays import read_weights
from lstm_model.bundle_files import (
    CALIBRATION,
    CONFIG,
    HISTORY,
    MAX_CONFIG_BYTES,
    TABLE,
    VOCABULARIES,
    WEIGHTS,
    BundleError,
    file_sha256,
    file_sizes,
    require_files,
    require_size,
)
from lstm_model.calibration import Calibration
from lstm_model.gate_inputs import precompute_gate_inputs
from lstm_model.presets import Preset
from lstm_model.row_stable import Floats
from lstm_model.vocabulary import Rules, Vocabulary

FILE_FORMAT = "lstm_model.bundle/5"


@dataclass(frozen=True)
class Bundle:
    """A trained classifier.

    Attributes:
        preset: its configuration.
        vocabularies: of each of `Preset.text_rules`, the words first.
        weights: float32 arrays by name, as `architecture.weight_shapes` lists them.
        history: for each epoch `epoch`, `loss`, `accuracy`, `dev_loss`, `dev_accuracy`,
            `dev_macro_f1`, all of the branches alone.
        best_epoch: the epoch that the weights are from.
        calibration: from its logits to probabilities and labels.
    """

    preset: Preset
    vocabularies: list[Vocabulary]
    weights: dict[str, Floats]
    history: list[dict[str, float]]
    best_epoch: int
    calibration: Calibration = field(default_factory=Calibration, kw_only=True)

    @property
    def vocabulary(self) -> Vocabulary:
        """Its words."""
        return self.vocabularies[0]

    @property
    def vocabulary_sizes(self) -> list[int]:
        """Number of words of each vocabulary."""
        return [len(vocabulary) for vocabulary in self.vocabularies]


def write_bundle(directory: Path, bundle: Bundle) -> None:
    """Write `bundle` into `directory`, made if missing: the same bundle gives the same bytes.

    The caller makes it durable and publishes it as a whole.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Not `save_file`: on a full disk that raises no OSError.
    (directory / WEIGHTS).write_bytes(safetensors.numpy.save(bundle.weights))
    files = [WEIGHTS, CALIBRATION, HISTORY]
    table = precompute_gate_inputs(bundle.preset, bundle.weights)
    if table is not None:
        np.save(directory / TABLE, table, allow_pickle=False)
        files.append(TABLE)
    for name, vocabulary in zip(bundle.preset.text_rules, bundle.vocabularies, strict=True):
        vocabulary.save(directory / VOCABULARIES[name])
        files.append(VOCABULARIES[name])
    _write_json(directory / CALIBRATION, bundle.calibration.to_dict())
    _write_json(directory / HISTORY, {"best_epoch": bundle.best_epoch, "epochs": bundle.history})
    config = {
        "format": FILE_FORMAT,
        "classes": CLASSES,
        "vocabulary_sizes": bundle.vocabulary_sizes,
        "preset": bundle.preset.to_dict(),
        "weights": weight_shapes(bundle.preset, *bundle.vocabulary_sizes),
        "sha256": {name: file_sha256(directory / name) for name in sorted(files)},
    }
    _write_json(directory / CONFIG, config)


def read_bundle(directory: Path, digest: Callable[[Path], str] = file_sha256) -> Bundle:
    """Read what `write_bundle` wrote.

    Args:
        directory: of the bundle.
        digest: gives the SHA-256 of a file; one may remember that of a file it has read.

    Raises:
        BundleError: a file is missing, superfluous, unreadable, of another format, of an impossible
            size, or contradicts another one, or a weight is missing, superfluous, of the wrong type
            or shape, or not finite.
    """
    require_size(directory / CONFIG, 0, MAX_CONFIG_BYTES)
    config = _read_json(directory / CONFIG)
    if config.get("format") != FILE_FORMAT:
        raise BundleError(
            f"{directory / CONFIG}: the format is {config.get('format')!r}, not {FILE_FORMAT!r}"
        )
    if config.get("classes") != CLASSES:
        raise BundleError(f"{directory / CONFIG}: {config.get('classes')!r} classes, not {CLASSES}")
    try:
        preset = Preset.from_dict(_object(config.get("preset")))
        digests = _object(config.get("sha256"))
        sizes = file_sizes(preset, config.get("vocabulary_sizes"))
    except ValueError as error:
        raise BundleError(f"{directory / CONFIG}: {error}") from error
    require_files(directory, sizes, digests, digest)
    vocabularies = [
        _read_vocabulary(directory / VOCABULARIES[name], size, rules)
        for (name, rules), size in zip(
            preset.text_rules.items(), config["vocabulary_sizes"], strict=True
        )
    ]
    shapes = weight_shapes(preset, *map(len, vocabularies))
    weights = read_weights(directory / WEIGHTS, shapes)
    try:
        calibration = Calibration.from_dict(_read_json(directory / CALIBRATION))
    except ValueError as error:
        raise BundleError(f"{directory / CALIBRATION}: {error}") from error
    history, best_epoch = _read_history(directory / HISTORY)
    return Bundle(preset, vocabularies, weights, history, best_epoch, calibration=calibration)


def _read_vocabulary(path: Path, size: int, rules: Rules) -> Vocabulary:
    try:
        vocabulary = Vocabulary.load(path)
    except (OSError, ValueError) as error:
        raise BundleError(str(error)) from error
    if (len(vocabulary), vocabulary.rules) != (size, rules):
        raise BundleError(
            f"{path}: {len(vocabulary)} words by {vocabulary.rules!r}, but {size} by {rules!r} in "
            f"{CONFIG}"
        )
    return vocabulary


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
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _write_json(path: Path, data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _object(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {error}") from error


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"a JSON object was expected, not {type(data).__name__}")
    return data
