"""Export of a trained classifier, for those who serve it elsewhere.

    model.onnx or saved_model/   word ids in, the probabilities of the classes out
    vocabulary.json              the words in the order of their ids, and the text rules
    pair_vocabulary.json         the same of pairs of characters, for a model that reads them too
    content_vocabulary.json      the same of the words of articles, for a model that reads them too
    export.json                  what goes in, what comes out, and how the two were found equal

What was written is read back and run on headlines beside `PackedScorer`, before it is handed out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.bundle import Bundle
from lstm_model.bundle_files import VOCABULARIES
from lstm_model.packed import PackedScorer
from lstm_model.presets import CLASSES, readers, views
from lstm_model.views import INPUTS, TokenLists, View, encode
from lstm_model.vocabulary import Vocabulary

FORMATS = {"onnx": "lstm_model.export_onnx", "saved_model": "lstm_model.export_saved_model"}
INSTALL = "pip install onnx onnxruntime"
DESCRIPTION = "export.json"
FILE_FORMAT = "lstm_model.export/1"
TOLERANCE = 1e-5  # of a probability
_BLOCK = 256  # rows run together; decides memory and nothing else
_OF: dict[View, str] = {
    "words": "the words of a title",
    "pairs": "all two characters that follow one another in the words of a title put together, "
    "pairs of whitespace alone left out",
    "contents": "the words of the beginning of the article below the title",
}
_RULES = {
    "verbatim": "tokens as they were cut; those of whitespace alone are dropped",
    "text_vectorization": "the tokens joined by spaces, ASCII letters in lower case and without "
    "ASCII punctuation, split at ASCII whitespace",
}


class ExportError(RuntimeError):
    """An export does not compute what the model computes."""


class MissingPackage(RuntimeError):
    """A format needs a package that is not installed; the message says how to install it."""

    def __init__(self, package: str) -> None:
        super().__init__(f"the package {package} is not installed; run `{INSTALL}`")
        self.package = package


def require(format: str) -> None:
    """See that a format can be written here.

    Raises:
        MissingPackage: a package that it needs is not installed.
        ValueError: there is no such format.
    """
    _module(format)


def export(
    bundle: Bundle,
    directory: Path,
    token_lists: TokenLists,
    format: str,
    about: Mapping[str, Any] | None = None,
    contents: TokenLists | None = None,
) -> float:
    """Write a classifier into `directory`, made if missing, and check it.

    Durability and publishing at once are the caller's.

    Args:
        bundle: the classifier.
        directory: where the files named above go.
        token_lists: the headlines to check with, as words.
        format: one of `FORMATS`.
        about: plain data that `export.json` is to hold besides, such as the model's name.
        contents: the words of the headlines' articles, where the preset reads them.

    Returns:
        The largest difference of a probability between the export and `PackedScorer`.

    Raises:
        ExportError: the two differ by more than `TOLERANCE`; what was written stays, without
            `export.json`.
        MissingPackage: a package that the format needs is not installed.
        ValueError: there is no such format, or there are no headlines.
    """
    module = _module(format)
    directory.mkdir(parents=True, exist_ok=True)
    module.write(bundle.preset, _tempered(bundle), directory / module.MODEL)
    for view, one in zip(views(bundle.preset), bundle.vocabularies, strict=True):
        one.save(directory / VOCABULARIES[view])
    difference = check(bundle, directory, token_lists, format, contents)
    description = {
        "format": FILE_FORMAT,
        **(about or {}),
        "model": {"format": format, "path": module.MODEL, **module.DETAILS},
        "inputs": [
            {
                "name": INPUTS[view],
                "dtype": "int32",
                "shape": ["batch", f"{view}"],
                "meaning": f"ids of the {view} by {VOCABULARIES[view]}: their places in `words`, 1 "
                "for one that is not there; shorter rows are padded on the right with 0; batch and "
                "time are 1 or more",
                "of": _OF[view],
            }
            for view in views(bundle.preset)
        ],
        "words": {
            "text_rules": bundle.preset.rules,
            "text_rules_meaning": _RULES[bundle.preset.rules],
            "padded_length": bundle.preset.padded_length,
            "padded_length_meaning": "the model reads so many words of a row and no more; null: "
            "all of them",
            "content_characters": bundle.preset.contents and bundle.preset.contents.characters,
            "content_characters_meaning": "so many characters of the beginning of an article are "
            "cut into words; null: none",
        },
        "output": {
            "name": module.OUTPUT,
            "dtype": "float32",
            "shape": ["batch", CLASSES],
            "meaning": "the probability of each class",
            "classes": list(range(CLASSES)),
            "thresholds": bundle.calibration.thresholds,
            "label": "the class whose probability is the largest multiple of its threshold",
        },
        "check": {
            "headlines": len(token_lists),
            "largest_difference": difference,
            "tolerance": TOLERANCE,
        },
    }
    text = json.dumps(description, ensure_ascii=False, indent=2, allow_nan=False)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    return difference


def check(
    bundle: Bundle,
    directory: Path,
    token_lists: TokenLists,
    format: str,
    contents: TokenLists | None = None,
) -> float:
    """The largest difference between an export and the classifier it is to be, on headlines.

    Raises:
        ExportError: a probability differs by more than `TOLERANCE`.
        MissingPackage: a package that the format needs is not installed.
        ValueError: there is no such format, or there are no headlines.
    """
    if not token_lists:
        raise ValueError("an export is checked with headlines, but there are none")
    module = _module(format)
    path = directory / module.MODEL
    predict = module.load(path)
    names = views(bundle.preset)
    vocabularies = [Vocabulary.load(directory / VOCABULARIES[view]) for view in names]

    def of_block(rows: slice) -> NDArray[np.float32]:
        # Not cut to the preset's `padded_length`: that is for the exported model to do.
        block = contents[rows] if contents is not None else None
        found: NDArray[np.float32] = predict(encode(names, vocabularies, token_lists[rows], block))
        return found

    blocks = (slice(n, n + _BLOCK) for n in range(0, len(token_lists), _BLOCK))
    found = np.concatenate([of_block(rows) for rows in blocks])
    expected = PackedScorer(bundle).predict(token_lists, contents)  # (rows, classes), as found
    differences = np.abs(found - expected).max(axis=1)  # (rows,)
    worst = int(differences.argmax())  # numpy takes NaN for the largest
    if not differences[worst] <= TOLERANCE:
        raise ExportError(
            f"{path}: for headline {worst} of the check it gives {found[worst].tolist()}, and the "
            f"model {expected[worst].tolist()}; they may differ by {TOLERANCE:g}"
        )
    return float(differences[worst])


def _tempered(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """The weights, the last layers' divided by the temperature, and so the logits."""
    temperature = np.float32(bundle.calibration.temperature)
    layers = [reader.dense for reader in readers(bundle.preset)]
    last = [f"{layer}/{kind}" for layer in layers for kind in ("kernel", "bias")]
    return bundle.weights | {name: bundle.weights[name] / temperature for name in last}


def _module(format: str) -> ModuleType:
    """The module that writes and loads a format; TensorFlow or ONNX is loaded with it."""
    if format not in FORMATS:
        raise ValueError(f"the format must be one of {', '.join(FORMATS)}, not {format!r}")
    try:
        return import_module(FORMATS[format])
    except ModuleNotFoundError as error:
        if error.name not in ("onnx", "onnxruntime"):
            raise
        raise MissingPackage(error.name) from error
