"""`export_model`: a trained classifier for serving elsewhere.

    model.onnx or saved_model/   word ids in, the probabilities of the classes out
    vocabulary.json              the words in the order of their ids, and the text rules
    pair_vocabulary.json         the same of character bigrams, for a model that reads them
    content_vocabulary.json      the same of the words of articles, for a model that reads them; it
                                 takes each known word of an article once, and how often it occurs
    export.json                  inputs, output, and the result of the check

The export is read back, run on headlines and compared with `PackedScorer`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lstm_model.architecture import BIAS, CLASSES, KERNEL, branches, model_inputs
from lstm_model.bundle import Bundle
from lstm_model.bundle_files import VOCABULARIES
from lstm_model.inputs import CONTENT_COUNTS, InputName, TokenLists, padded_ids
from lstm_model.linear import padded_counts
from lstm_model.packed import PackedScorer
from lstm_model.row_stable import Floats
from lstm_model.vocabulary import Vocabulary

FORMATS = {"onnx": "lstm_model.export.onnx", "saved_model": "lstm_model.export.saved_model"}
INSTALL = "pip install onnx onnxruntime"
DESCRIPTION = "export.json"
FILE_FORMAT = "lstm_model.export/1"
TOLERANCE = 1e-5  # of a probability
CHUNK_ROWS = 256  # run together; affects memory only
_INPUT_TEXTS: dict[InputName, str] = {
    "words": "the words of a title",
    "pairs": "all pairs of adjacent characters of a title, its words joined, except pairs of "
    "whitespace",
    "contents": "the words of the beginning of the article below the title",
}
_RULES = {
    "verbatim": "tokens as they are; those of only whitespace are dropped",
    "normalised": "title and tokens in Unicode's form NFKC and without the characters 。“”\"; of a "
    "token, % and + are words of their own; those of only whitespace are dropped",
    "text_vectorization": "the tokens joined by spaces, ASCII letters in lower case and without "
    "ASCII punctuation, split at ASCII whitespace",
}


class ExportError(RuntimeError):
    """The export and the model give different probabilities."""


class MissingPackage(RuntimeError):
    """A format needs a package that is not installed; the message says how to install it."""

    def __init__(self, package: str) -> None:
        super().__init__(f"the package {package} is not installed; run `{INSTALL}`")
        self.package = package


def require_format(format: str) -> None:
    """Check that a format can be written here.

    Raises:
        MissingPackage: a package that it needs is not installed.
        ValueError: there is no such format.
    """
    _module(format)


def export_model(
    bundle: Bundle,
    directory: Path,
    token_lists: TokenLists,
    format: str,
    about: Mapping[str, Any] | None = None,
    articles: TokenLists | None = None,
) -> float:
    """Write a classifier into `directory`, made if missing, and check it.

    The caller makes it durable and publishes it as a whole.

    Args:
        bundle: the classifier.
        directory: gets the files named above.
        token_lists: the words of the headlines to check with.
        format: one of `FORMATS`.
        about: further fields of `export.json`, such as the model's name.
        articles: the words of the headlines' articles, where the preset reads them.

    Returns:
        The largest difference of a probability between the export and `PackedScorer`.

    Raises:
        ExportError: the two differ by more than `TOLERANCE`; the files stay, without
            `export.json`.
        MissingPackage: a package that the format needs is not installed.
        ValueError: there is no such format, or there are no headlines.
    """
    module = _module(format)
    directory.mkdir(parents=True, exist_ok=True)
    module.write(bundle.preset, _tempered(bundle), directory / module.MODEL)
    for name, vocabulary in zip(bundle.preset.text_rules, bundle.vocabularies, strict=True):
        vocabulary.save(directory / VOCABULARIES[name])
    difference = validate_export(bundle, directory, token_lists, format, articles)
    description = {
        "format": FILE_FORMAT,
        **(about or {}),
        "model": {"format": format, "path": module.MODEL, **module.DETAILS},
        "inputs": [
            {
                "name": model_input,
                "dtype": "int32",
                "shape": ["batch", name],
                "meaning": _meaning(model_input, name),
                "of": _INPUT_TEXTS[name],
            }
            for model_input, name in model_inputs(bundle.preset).items()
        ],
        "words": {
            "text_rules": bundle.preset.rules,
            "text_rules_meaning": _RULES[bundle.preset.rules],
            "padded_length": bundle.preset.padded_length,
            "padded_length_meaning": "the model reads this many words of a row at most; null: "
            "all of them",
            "content_characters": bundle.preset.contents and bundle.preset.contents.characters,
            "content_characters_meaning": "number of characters of the beginning of an article "
            "that are cut into words; null: none",
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


def validate_export(
    bundle: Bundle,
    directory: Path,
    token_lists: TokenLists,
    format: str,
    articles: TokenLists | None = None,
) -> float:
    """The largest difference between an export and its classifier, on headlines.

    Raises:
        ExportError: a probability differs by more than `TOLERANCE`.
        MissingPackage: a package that the format needs is not installed.
        ValueError: there is no such format, or there are no headlines.
    """
    if not token_lists:
        raise ValueError("an export is checked on headlines, but there are none")
    module = _module(format)
    path = directory / module.MODEL
    predict = module.load(path)
    names = bundle.preset.input_names
    vocabularies = [Vocabulary.load(directory / VOCABULARIES[name]) for name in names]
    of_articles = directory / VOCABULARIES["contents"]

    def exported(rows: slice) -> Floats:
        # Not cut to the preset's `padded_length`: the exported model does that.
        arrays = padded_ids(names, vocabularies, token_lists[rows])
        if articles is not None:
            arrays += padded_counts(Vocabulary.load(of_articles), articles[rows])
        probabilities: Floats = predict(arrays)
        return probabilities

    chunks = (slice(n, n + CHUNK_ROWS) for n in range(0, len(token_lists), CHUNK_ROWS))
    actual = np.concatenate([exported(rows) for rows in chunks])  # (rows, classes)
    expected = PackedScorer(bundle).predict(token_lists, articles)  # (rows, classes)
    differences = np.abs(actual - expected).max(axis=1)  # (rows,)
    worst = int(differences.argmax())  # NumPy takes NaN for the largest
    if not differences[worst] <= TOLERANCE:
        raise ExportError(
            f"{path}: for headline {worst} of the check it gives {actual[worst].tolist()}, and the "
            f"model {expected[worst].tolist()}; the tolerance is {TOLERANCE:g}"
        )
    return float(differences[worst])


def _meaning(model_input: str, name: InputName) -> str:
    padding = "shorter rows are padded on the right with 0; batch and time are at least 1"
    if model_input == CONTENT_COUNTS:
        return f"how often the article has each of its words; {padding}"
    positions = f"ids by {VOCABULARIES[name]}: positions in its `words`"
    if name == "contents":
        return f"{positions}, of those words that are there, each once; {padding}"
    return f"{positions}, 1 for one that is not there; {padding}"


def _tempered(bundle: Bundle) -> dict[str, Floats]:
    """The weights, the last layers' divided by the temperature, and so the logits."""
    temperature = np.float32(bundle.calibration.temperature)
    layers = [branch.dense for branch in branches(bundle.preset)]
    last = [f"{layer}/{kind}" for layer in layers for kind in ("kernel", "bias")]
    last += [KERNEL, BIAS] if bundle.preset.contents else []
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
