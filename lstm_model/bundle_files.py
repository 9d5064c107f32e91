"""The files of a bundle: their names, their possible sizes, and their digests.

No file's content is kept in memory here, so checking a file that was tampered with costs little.
"""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lstm_model.architecture import weight_shapes
from lstm_model.gate_inputs import table_shape
from lstm_model.inputs import InputName
from lstm_model.presets import Preset

CONFIG = "config.json"
WEIGHTS, TABLE = "weights.safetensors", "table.npy"
VOCABULARIES: dict[InputName, str] = {
    "words": "vocabulary.json",
    "pairs": "pair_vocabulary.json",
    "contents": "content_vocabulary.json",
}
CALIBRATION, HISTORY = "calibration.json", "history.json"
_OF_AN_ARTIFACT = frozenset({"metrics.json", "report.html", "_manifest.json"})

# Far more than the presets need. A headline, and so a word, has at most 500 characters.
MAX_WEIGHT_BYTES = 4 * 2**30
MAX_CONFIG_BYTES, MAX_HISTORY_BYTES, MAX_HEADER_BYTES = 2**20, 2**24, 2**20
MIN_WORD_BYTES, MAX_WORD_BYTES = 4, 4096


class BundleError(ValueError):
    """A bundle is missing, corrupt or not one of ours; the message says which file and why."""


def file_sizes(preset: Preset, vocabulary_sizes: Any) -> dict[str, tuple[int, int]]:
    """The smallest and the largest possible size of every file of a bundle but `config.json`.

    Raises:
        ValueError: the vocabularies' sizes are not such, or the weights would be beyond
            `MAX_WEIGHT_BYTES`.
    """
    if (
        not isinstance(vocabulary_sizes, list)
        or len(vocabulary_sizes) != len(preset.text_rules)
        or not all(isinstance(size, int) and size >= 0 for size in vocabulary_sizes)
    ):
        raise ValueError(f"bad sizes of the vocabularies: {vocabulary_sizes!r:.40}")
    weights = _bytes_of(*weight_shapes(preset, *vocabulary_sizes).values())
    if weights > MAX_WEIGHT_BYTES:
        raise ValueError(
            f"{preset.units:,} units, vectors of {preset.embedding_size:,} and "
            f"{sum(vocabulary_sizes):,} words would be {weights:,} bytes of weights; at most "
            f"{MAX_WEIGHT_BYTES:,} are read"
        )
    sizes = {
        WEIGHTS: (weights, weights + MAX_HEADER_BYTES),
        CALIBRATION: (0, MAX_CONFIG_BYTES),
        HISTORY: (0, MAX_HISTORY_BYTES),
    }
    for name, words in zip(preset.text_rules, vocabulary_sizes, strict=True):
        sizes[VOCABULARIES[name]] = (MIN_WORD_BYTES * words, MAX_WORD_BYTES * (words + 1))
    table = table_shape(preset, *vocabulary_sizes)
    if table is not None:
        sizes[TABLE] = (_bytes_of(table), _bytes_of(table) + MAX_HEADER_BYTES)
    return sizes


def _bytes_of(*shapes: tuple[int, ...]) -> int:
    return 4 * sum(math.prod(shape) for shape in shapes)  # float32


def require_files(
    directory: Path,
    sizes: Mapping[str, tuple[int, int]],
    digests: Mapping[str, Any],
    digest_of: Callable[[Path], str],
) -> None:
    """Check that each file is there, of a possible size, and has its digest.

    Nothing else may be in the directory but what an artifact adds (its manifest, figures and
    report) and hidden files, which are never read.

    Raises:
        BundleError: one of these does not hold.
    """
    names = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    if others := sorted(names - sizes.keys() - _OF_AN_ARTIFACT - {CONFIG}):
        raise BundleError(f"{directory / others[0]}: it is not a file of this bundle")
    for name, (smallest, largest) in sizes.items():
        require_size(directory / name, smallest, largest)
    for name in sizes:
        try:
            digest = digest_of(directory / name)
        except OSError as error:
            raise BundleError(f"{directory / name}: {error}") from error
        if digest != digests.get(name):
            raise BundleError(
                f"{directory / name}: its SHA-256 is {digest}, "
                f"but {digests.get(name)!r} in {CONFIG}"
            )


def require_size(path: Path, smallest: int, largest: int) -> None:
    """Check that a file is there and its size, in bytes, is in this range.

    Raises:
        BundleError: it is not.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BundleError(f"{path}: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{path}: it is not a file")
    if not smallest <= status.st_size <= largest:
        raise BundleError(
            f"{path}: {status.st_size:,} bytes, where {smallest:,} to {largest:,} are possible"
        )


def file_sha256(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
