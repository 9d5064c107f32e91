"""The table of gate inputs in a bundle."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from lstm_model import gate_inputs
from lstm_model.bundle import read_bundle, write_bundle
from lstm_model.bundle_arrays import read_table
from lstm_model.bundle_files import BundleError


def table_of(directory):
    bundle = read_bundle(directory)
    return read_table(directory, bundle.preset, bundle.vocabulary_sizes)


def test_table_is_memory_mapped(stored, bundle) -> None:
    table = table_of(stored)
    np.testing.assert_array_equal(
        table, gate_inputs.precompute_gate_inputs(bundle.preset, bundle.weights)
    )
    assert isinstance(table.base, np.memmap)
    assert not table.flags.writeable


def test_table_of_another_shape_or_type_is_rejected(stored) -> None:
    bundle = read_bundle(stored)
    table = np.array(read_table(stored, bundle.preset, bundle.vocabulary_sizes))
    for bad in (table.ravel(), table.view(np.int32), np.asfortranarray(table), table.astype(">f4")):
        np.save(stored / "table.npy", bad)
        with pytest.raises(BundleError, match=r"table\.npy: its header is .*, not that of float32"):
            read_table(stored, bundle.preset, bundle.vocabulary_sizes)
    np.save(stored / "table.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle.preset, bundle.vocabulary_sizes)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x93NUMPY\x01\x00"])
def test_table_of_another_format_is_rejected(stored, content) -> None:
    bundle = read_bundle(stored)
    (stored / "table.npy").write_bytes(content)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle.preset, bundle.vocabulary_sizes)


@pytest.mark.parametrize(
    "shape",
    ["(" + "9" * 50 + ", 3)", "(" * 50, "(2, 15, 99999999)", "(2, 15, -12)", "()"],
)
def test_table_with_a_forged_header_is_rejected(stored, shape) -> None:
    bundle = read_bundle(stored)
    path = stored / "table.npy"
    content = path.read_bytes()
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)  # as `np.save` has it
    path.write_bytes(start + text.ljust(117).encode() + b"\n" + content[128:])
    assert path.stat().st_size == len(content)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle.preset, bundle.vocabulary_sizes)


def test_table_of_another_length_is_rejected(stored) -> None:
    bundle = read_bundle(stored)
    path = stored / "table.npy"
    content = path.read_bytes()
    for other in (content[:-4], content + bytes(4), content[:128]):
        path.write_bytes(other)
        with pytest.raises(BundleError, match=r"table\.npy: [\d,]+ bytes, where"):
            read_table(stored, bundle.preset, bundle.vocabulary_sizes)


def test_table_as_archive_or_with_nan_is_rejected(stored) -> None:
    bundle = read_bundle(stored)
    table = np.array(read_table(stored, bundle.preset, bundle.vocabulary_sizes))
    with (stored / "table.npy").open("wb") as file:
        np.savez(file, table=table)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle.preset, bundle.vocabulary_sizes)
    table[0, 3, 2] = np.nan
    np.save(stored / "table.npy", table)
    with pytest.raises(BundleError, match="not a finite number"):
        read_table(stored, bundle.preset, bundle.vocabulary_sizes)


def test_too_large_table_is_not_written(bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(gate_inputs, "MAX_TABLE_BYTES", 100)
    write_bundle(tmp_path, bundle)
    assert (tmp_path / "weights.safetensors").exists()
    assert not (tmp_path / "table.npy").exists()
    assert table_of(tmp_path) is None


def test_superfluous_table_is_rejected(stored, monkeypatch) -> None:
    monkeypatch.setattr(gate_inputs, "MAX_TABLE_BYTES", 100)
    with pytest.raises(BundleError, match=r"table\.npy: it is not a file of this bundle"):
        read_bundle(stored)
