"""The model bundle: a trained classifier as a directory of data files.

    weights.safetensors   the weights, float32, named and shaped as `presets.weight_shapes` says
    table.npy             what the scorer folds them into, where `folding.fold` gives it
    vocabulary.json       words and text rules; for a classifier that reads pairs of characters or
                          contents too, `pair_vocabulary.json` and `content_vocabulary.json` besides
    calibration.json      temperature and class thresholds
    history.json          the figures of every epoch, and which epoch's weights these are
    config.json           format, preset, sizes of the vocabularies, classes, names and shapes, and
                          the SHA-256 of the files above

Nothing else stands there but what an artifact adds, `metrics.json`, `report.html` and
`_manifest.json`, and files whose names begin with a dot, which are never read.

Reading runs nothing that is stored. It checks what `config.json` asks for, the sizes of the files,
their digests, and the weights' names, types and shapes, each before anything is read for it.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from lstm_model.bundle_files import (
    CALIBRATION,
    CONFIG,
    HISTORY,
    LARGEST_CONFIG,
    TABLE,
    VOCABULARIES,
    WEIGHTS,
    BundleError,
    digest_of_file,
    require_files,
    require_size,
    sizes_of_files,
)
from lstm_model.calibration import Calibration
from lstm_model.folding import fold, table_shape
from lstm_model.presets import CLASSES, Preset, rules, views, weight_shapes
from lstm_model.vocabulary import Rules, Vocabulary

FILE_FORMAT = "lstm_model.bundle/5"


@dataclass(frozen=True)
class Bundle:
    """A trained classifier.

    Attributes:
        preset: what it was trained with.
        vocabularies: of each view that it reads, the words first.
        weights: float32 arrays by name, as `presets.weight_shapes` lists them.
        history: for each epoch `epoch`, `loss`, `accuracy`, `dev_loss`, `dev_accuracy`,
            `dev_macro_f1`.
        best_epoch: the epoch that the weights are from.
        calibration: what is made of its logits.
    """

    preset: Preset
    vocabularies: list[Vocabulary]
    weights: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]]
    best_epoch: int
    calibration: Calibration = field(default_factory=Calibration, kw_only=True)

    @property
    def vocabulary(self) -> Vocabulary:
        """Its words."""
        return self.vocabularies[0]

    @property
    def vocabulary_sizes(self) -> list[int]:
        """How many words each view has."""
        return [len(vocabulary) for vocabulary in self.vocabularies]


def write_bundle(directory: Path, bundle: Bundle) -> None:
    """Write `bundle` into `directory`, made if missing: the same bundle gives the same bytes.

    Durability and publishing at once are the caller's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Not `save_file`: on a full disk that raises no OSError.
    (directory / WEIGHTS).write_bytes(safetensors.numpy.save(bundle.weights))
    files = [WEIGHTS, CALIBRATION, HISTORY]
    table = fold(bundle.preset, bundle.weights)
    if table is not None:
        np.save(directory / TABLE, table, allow_pickle=False)
        files.append(TABLE)
    for view, vocabulary in zip(views(bundle.preset), bundle.vocabularies, strict=True):
        vocabulary.save(directory / VOCABULARIES[view])
        files.append(VOCABULARIES[view])
    _write_json(directory / CALIBRATION, bundle.calibration.to_dict())
    _write_json(directory / HISTORY, {"best_epoch": bundle.best_epoch, "epochs": bundle.history})
    config = {
        "format": FILE_FORMAT,
        "classes": CLASSES,
        "vocabulary_sizes": bundle.vocabulary_sizes,
        "preset": bundle.preset.to_dict(),
        "weights": weight_shapes(bundle.preset, *bundle.vocabulary_sizes),
        "sha256": {name: digest_of_file(directory / name) for name in sorted(files)},
    }
    _write_json(directory / CONFIG, config)


def read_bundle(directory: Path) -> Bundle:
    """Read what `write_bundle` wrote.

    Raises:
        BundleError: a file is missing, superfluous, unreadable, of another format, of a size that
            cannot be right, contradicts another one, or a weight is missing, superfluous, of the
            wrong type or shape, or not finite.
    """
    require_size(directory / CONFIG, 0, LARGEST_CONFIG)
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
        digests = _object(config.get("sha256"))
        sizes = sizes_of_files(preset, config.get("vocabulary_sizes"))
    except ValueError as error:
        raise BundleError(f"{directory / CONFIG}: {error}") from error
    require_files(directory, sizes, digests)
    each = zip(views(preset), config["vocabulary_sizes"], rules(preset), strict=True)
    vocabularies = [
        _read_vocabulary(directory / VOCABULARIES[view], size, by) for view, size, by in each
    ]
    shapes = weight_shapes(preset, *map(len, vocabularies))
    weights = _read_weights(directory / WEIGHTS, shapes)
    try:
        calibration = Calibration.from_dict(_read_json(directory / CALIBRATION))
    except ValueError as error:
        raise BundleError(f"{directory / CALIBRATION}: {error}") from error
    history, best_epoch = _read_history(directory / HISTORY)
    return Bundle(preset, vocabularies, weights, history, best_epoch, calibration=calibration)


def read_table(directory: Path, bundle: Bundle) -> NDArray[np.float32] | None:
    """The table that `write_bundle` folded, mapped from its file; None where it folds none.

    Whoever has read the bundle has checked the file's digest.

    Raises:
        BundleError: it cannot be mapped, is of another type, shape or size, or not finite.
    """
    shape = table_shape(bundle.preset, *bundle.vocabulary_sizes)
    if shape is None:
        return None
    path = directory / TABLE
    header = _table_header(shape)
    size = len(header) + 4 * math.prod(shape)
    require_size(path, size, size)
    try:
        with path.open("rb") as file:
            found = file.read(len(header))
        # Compared, not parsed: a parser can be brought to fail in more ways than can be foreseen.
        if found != header:
            raise BundleError(f"{path}: its header is {found!r}, not that of float32 {shape}")
        table = np.memmap(path, np.float32, mode="r", offset=len(header), shape=shape)
    except OSError as error:
        raise BundleError(f"{path}: {error}") from error
    if not np.isfinite(table).all():
        raise BundleError(f"{path}: it holds a value that is not a finite number")
    return np.asarray(table)


def _read_vocabulary(path: Path, size: int, rules: Rules) -> Vocabulary:
    try:
        vocabulary = Vocabulary.load(path)
    except (OSError, ValueError) as error:
        raise BundleError(str(error)) from error
    if (len(vocabulary), vocabulary.rules) != (size, rules):
        raise BundleError(
            f"{path}: {len(vocabulary)} words by {vocabulary.rules!r}, where {CONFIG} has {size} "
            f"by {rules!r}"
        )
    return vocabulary


def _table_header(shape: tuple[int, ...]) -> bytes:
    """What `np.save` writes before float32 values of that shape."""
    header = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


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
                if not np.isfinite(weights[name]).all():
                    raise BundleError(f"{path}: {name} holds a value that is not a finite number")
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: {error}") from error
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
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer that no float can be
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
