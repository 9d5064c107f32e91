"""The arrays of a bundle, checked as they are read."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors

from lstm_model.bundle_files import TABLE, BundleError, require_size
from lstm_model.gate_inputs import table_shape
from lstm_model.presets import Preset
from lstm_model.row_stable import Floats


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Map float32 arrays of exactly these names and shapes: processes share their memory.

    `read_bundle` has checked the file's digest.

    Raises:
        BundleError: a weight is missing, superfluous, of another type or shape, or not finite.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            for name in sorted(shapes.keys() ^ set(file.keys())):
                problem = "missing" if name in shapes else "not of this classifier"
                raise BundleError(f"{path}: {name} is {problem}")
            # All headers before any array: a wrong file must not cost the memory it claims.
            for name, expected in shapes.items():
                header = file.get_slice(name)
                shape = tuple(header.get_shape())
                if header.get_dtype() != "F32" or shape != expected:
                    raise BundleError(
                        f"{path}: {name} is {header.get_dtype()} {shape}, not F32 {expected}"
                    )
        weights = _mapped_weights(path, shapes)
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: {error}") from error
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise BundleError(f"{path}: {name} holds a value that is not a finite number")
    return weights


def _mapped_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """The arrays of a file whose header was checked; `safetensors` itself would copy them."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    content = np.memmap(path, np.uint8, mode="r")
    weights: dict[str, Floats] = {}
    for name, shape in shapes.items():
        first, end = header[name]["data_offsets"]
        array = np.asarray(content[start + first : start + end])
        weights[name] = array.view("<f4").reshape(shape)
    return weights


def read_table(directory: Path, preset: Preset, vocabulary_sizes: Sequence[int]) -> Floats | None:
    """The gate inputs that `write_bundle` stored, memory-mapped; None where it stores none.

    `read_bundle` has checked the file's digest.

    Raises:
        BundleError: it cannot be mapped, is of another type, shape or size, or not finite.
    """
    shape = table_shape(preset, *vocabulary_sizes)
    if shape is None:
        return None
    path = directory / TABLE
    expected = _npy_header(shape)
    size = len(expected) + 4 * math.prod(shape)
    require_size(path, size, size)
    try:
        with path.open("rb") as file:
            header = file.read(len(expected))
        # Compared, not parsed: a parser can fail in more ways than can be foreseen.
        if header != expected:
            raise BundleError(f"{path}: its header is {header!r}, not that of float32 {shape}")
        table = np.memmap(path, np.float32, mode="r", offset=len(header), shape=shape)
    except OSError as error:
        raise BundleError(f"{path}: {error}") from error
    if not np.isfinite(table).all():
        raise BundleError(f"{path}: it holds a value that is not a finite number")
    return np.asarray(table)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """The header that `np.save` writes for float32 values of that shape."""
    header = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()
