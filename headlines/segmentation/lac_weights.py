"""Reads the network of jieba's paddle mode from the files that jieba ships, without Paddle.

jieba 0.42.1 holds, in `jieba/lac_small`, the small network of Baidu's LAC (Jiao, Sun and Sun,
"Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018) as Paddle 1.6 saved it:
- `word.dic` and `tag.dic`: lines of a number, a tab and a character or a tag;
- `model_baseline/`: one file per weight, in the layout of Paddle's `tensor_util.cc` and
  `framework.proto`: a header of fixed size, a protobuf message `TensorDesc`, the numbers.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headlines.errors import InputError
from headlines.hashing import json_digest

Floats = NDArray[np.float32]

LAYERS = 2
# The version of the format, the number of LoD levels (0, as a weight is not a sequence), the
# version of the tensor, the bytes of its TensorDesc.
_HEADER = struct.Struct("<IQIi")
_DATA_TYPE, _DIMS = 0x08, 0x10  # TensorDesc's fields 1 and 2, both varints
_FP32 = 5  # framework.proto, VarType.FP32


@dataclass(frozen=True)
class LacModel:
    """The content of the files.

    Attributes:
        characters: the id, a row of `word_emb`, of each character the network knows.
        unknown: the id of all other characters.
        tags: such as `n-B`, `n-I` and `O`; a tag's index is its id.
        weights: the files of `model_baseline`, float32, in the shapes of `weight_shapes`.
        digest: SHA-256 (hexadecimal) of the names and contents of all files.
    """

    characters: Mapping[str, int]
    unknown: int
    tags: tuple[str, ...]
    weights: Mapping[str, Floats]
    digest: str


def weight_shapes(
    characters: int, tags: int, embedding: int, units: int
) -> dict[str, tuple[int, ...]]:
    """The shape of each weight, by the name of its file.

    `fc_n` computes the gate inputs of `gru_n`, forward for even n and backward for odd n. The last
    `fc` computes the scores of the tags. The rows of `crfw` are the scores of each tag at the
    start, at the end, and after each tag (row: from, column: to).
    """
    shapes: dict[str, tuple[int, ...]] = {"word_emb": (characters, embedding)}
    for n in range(2 * LAYERS):
        inputs = embedding if n < 2 else 2 * units
        shapes |= {f"fc_{n}.w_0": (inputs, 3 * units), f"fc_{n}.b_0": (3 * units,)}
        shapes |= {f"gru_{n}.w_0": (units, 3 * units), f"gru_{n}.b_0": (1, 3 * units)}
    last = 2 * LAYERS
    shapes |= {f"fc_{last}.w_0": (2 * units, tags), f"fc_{last}.b_0": (tags,)}
    return shapes | {"crfw": (tags + 2, tags)}


def lac_directory() -> Path:
    """The directory of jieba's own files; jieba is not imported.

    Raises:
        InputError: jieba is not installed.
    """
    spec = find_spec("jieba")
    if spec is None or spec.origin is None:
        raise InputError("is not installed", "jieba", "install jieba 0.42.1")
    return Path(spec.origin).parent / "lac_small"


def read_lac(directory: Path) -> LacModel:
    """Read a directory laid out as `jieba/lac_small`.

    Raises:
        InputError: a file is missing, damaged or invalid; the error names it.
    """
    digests: dict[str, str] = {}

    def content(name: str) -> bytes:
        try:
            data = (directory / name).read_bytes()
        except OSError as error:
            raise _invalid(directory / name, f"cannot be read ({error.strerror})") from error
        digests[name] = hashlib.sha256(data).hexdigest()
        return data

    words = _entries(content("word.dic"), directory / "word.dic")
    if "OOV" not in words:
        raise _invalid(directory / "word.dic", "has no entry OOV, for unknown characters")
    tags = _tags(content("tag.dic"), directory / "tag.dic")
    folder = directory / "model_baseline"
    weights = {
        name: _tensor(content(f"model_baseline/{name}"), folder / name)
        for name in weight_shapes(0, 0, 0, 0)
    }
    # The files decide the sizes of embedding and layers; everything else must match them.
    embedding, units = weights["word_emb"].shape[-1], weights["gru_0.w_0"].shape[0]
    shapes = weight_shapes(max(words.values()) + 1, len(tags), embedding, units)
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            problem = f"has the shape {weights[name].shape}, expected {shape}"
            raise _invalid(folder / name, problem)
    characters = {word: number for word, number in words.items() if len(word) == 1}
    return LacModel(characters, words["OOV"], tags, weights, json_digest(digests))


def _invalid(path: Path, problem: str) -> InputError:
    return InputError(problem, str(path), "reinstall jieba 0.42.1")


def _entries(data: bytes, path: Path) -> dict[str, int]:
    """The number of each entry of a dictionary; entries and numbers are unique."""
    entries: dict[str, int] = {}
    try:
        # Not `splitlines`, which takes some of the entries for line breaks.
        lines = data.decode("utf-8").removesuffix("\n").split("\n")
        for line in lines:
            number, entry = line.split("\t")
            entries[entry] = int(number)
    except ValueError as error:
        raise _invalid(path, f"is not a valid dictionary ({error})") from error
    if not len(lines) == len(entries) == len(set(entries.values())) or min(entries.values()) < 0:
        raise _invalid(path, "has a duplicate entry or number, or a number below 0")
    return entries


def _tags(data: bytes, path: Path) -> tuple[str, ...]:
    """The tags in the order of their numbers."""
    numbers = _entries(data, path)
    tags = tuple(sorted(numbers, key=numbers.__getitem__))
    if [numbers[tag] for tag in tags] != list(range(len(tags))):
        raise _invalid(path, "skips a number")
    for tag in tags:
        if tag != "O" and not tag.endswith(("-B", "-I")):
            raise _invalid(path, f"has the tag {tag!r}, expected O or a tag in -B or -I")
    return tags


def _tensor(data: bytes, path: Path) -> Floats:
    """The weight in a file, as a read-only view of `data`."""
    if len(data) < _HEADER.size:
        raise _invalid(path, f"ends after {len(data)} bytes, within its header")
    version, levels, tensor_version, size = _HEADER.unpack_from(data)
    start = _HEADER.size + size
    if (version, levels, tensor_version) != (0, 0, 0) or not _HEADER.size < start <= len(data):
        raise _invalid(path, "is not a Paddle tensor of format 0 without LoD")
    data_type, shape = _description(data[_HEADER.size : start], path)
    if data_type != _FP32:
        raise _invalid(path, f"has numbers of type {data_type}, expected FP32 ({_FP32})")
    if len(shape) not in (1, 2) or 0 in shape:
        raise _invalid(path, f"has the invalid shape {shape}")
    expected = start + 4 * math.prod(shape)
    if len(data) != expected:
        raise _invalid(path, f"has {len(data)} bytes, expected {expected} for the shape {shape}")
    weight = np.frombuffer(data, "<f4", offset=start).reshape(shape).astype(np.float32, copy=False)
    if not np.isfinite(weight).all():
        raise _invalid(path, "has numbers that are not finite")
    return weight


def _description(data: bytes, path: Path) -> tuple[int | None, tuple[int, ...]]:
    """Data type and dimensions in a TensorDesc."""
    shape: list[int] = []
    data_type = None
    try:
        description = iter(data)
        for field in description:
            if field == _DATA_TYPE:
                data_type = _varint(description)
            elif field == _DIMS:
                shape.append(_varint(description))
            else:
                raise ValueError(f"an unknown field {field:#04x}")
    except ValueError as error:
        raise _invalid(path, f"has a TensorDesc that cannot be read ({error})") from error
    return data_type, tuple(shape)


def _varint(data: Iterator[int]) -> int:
    """Protobuf's integer of seven bits per byte, the lowest first; the last byte is below 128."""
    value = 0
    for position, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value
    raise ValueError("it ends within a number")
