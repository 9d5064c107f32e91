"""The files of a bundle: which ones there are, how large each can be, and their digests.

All that is told here of a file is told without its content being kept in memory: so a file that was
tampered with costs no more than a look at it.
"""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_model.folding import table_shape
from lstm_model.presets import Preset, views, weight_shapes
from lstm_model.views import View

CONFIG = "config.json"
WEIGHTS, TABLE = "weights.safetensors", "table.npy"
VOCABULARIES: dict[View, str] = {
    "words": "vocabulary.json",
    "pairs": "pair_vocabulary.json",
    "contents": "content_vocabulary.json",
}
CALIBRATION, HISTORY = "calibration.json", "history.json"
_OF_AN_ARTIFACT = frozenset({"metrics.json", "report.html", "_manifest.json"})

# In bytes. No classifier of these presets comes near the first. The others leave room for all that
# is ever written: a headline, and so a word, has 500 characters at the most.
MOST_WEIGHTS = 4 * 2**30
LARGEST_CONFIG, LARGEST_HISTORY, LARGEST_HEADER = 2**20, 2**24, 2**20
LEAST_WORD, LARGEST_WORD = 4, 4096


class BundleError(ValueError):
    """A bundle is missing, damaged or not one of ours; the message says which file and why."""


def sizes_of_files(preset: Preset, vocabulary_sizes: Any) -> dict[str, tuple[int, int]]:
    """The least and the most bytes of every file of a bundle beside `config.json`.

    Raises:
        ValueError: the vocabularies' sizes are none, or the weights would be beyond
            `MOST_WEIGHTS`.
    """
    if (
        not isinstance(vocabulary_sizes, list)
        or len(vocabulary_sizes) != len(views(preset))
        or not all(isinstance(size, int) and size >= 0 for size in vocabulary_sizes)
    ):
        raise ValueError(f"the sizes of the vocabularies are {vocabulary_sizes!r:.40}")
    weights = _bytes_of(*weight_shapes(preset, *vocabulary_sizes).values())
    if weights > MOST_WEIGHTS:
        raise ValueError(
            f"{preset.units:,} units, vectors of {preset.embedding_size:,} and "
            f"{sum(vocabulary_sizes):,} words would be {weights:,} bytes of weights, where at most "
            f"{MOST_WEIGHTS:,} are read"
        )
    sizes = {
        WEIGHTS: (weights, weights + LARGEST_HEADER),
        CALIBRATION: (0, LARGEST_CONFIG),
        HISTORY: (0, LARGEST_HISTORY),
    }
    for view, size in zip(views(preset), vocabulary_sizes, strict=True):
        sizes[VOCABULARIES[view]] = (LEAST_WORD * size, LARGEST_WORD * (size + 1))
    table = table_shape(preset, *vocabulary_sizes)
    if table is not None:
        sizes[TABLE] = (_bytes_of(table), _bytes_of(table) + LARGEST_HEADER)
    return sizes


def _bytes_of(*shapes: tuple[int, ...]) -> int:
    return 4 * sum(math.prod(shape) for shape in shapes)  # float32


def require_files(
    directory: Path, sizes: Mapping[str, tuple[int, int]], digests: Mapping[str, Any]
) -> None:
    """See that each file is there, as large as it can be, and has the digest that it should have.

    Nothing else may stand beside them but what an artifact adds (its manifest, figures and report)
    and hidden files, which are never read.

    Raises:
        BundleError: that is not so.
    """
    found = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    if others := sorted(found - sizes.keys() - _OF_AN_ARTIFACT - {CONFIG}):
        raise BundleError(f"{directory / others[0]}: it is no file of this bundle")
    for name, (least, most) in sizes.items():
        require_size(directory / name, least, most)
    for name in sizes:
        digest = digest_of_file(directory / name)
        if digest != digests.get(name):
            raise BundleError(
                f"{directory / name}: its SHA-256 is {digest}, where {CONFIG} has "
                f"{digests.get(name)!r}"
            )


def require_size(path: Path, least: int, most: int) -> None:
    """See that a file is there and has so many bytes.

    Raises:
        BundleError: it has not, or is no file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise BundleError(f"{path}: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{path}: it is no file")
    if not least <= found.st_size <= most:
        raise BundleError(
            f"{path}: {found.st_size:,} bytes cannot be right, where {least:,} to {most:,} can"
        )


def digest_of_file(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: {error}") from error
