from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from lstm_model import folding
from lstm_model.bundle import read_bundle, read_table, write_bundle
from lstm_model.bundle_files import BundleError
from lstm_model.calibration import Calibration
from lstm_model.packed import PackedScorer

FILES = [
    "calibration.json",
    "config.json",
    "history.json",
    "table.npy",
    "vocabulary.json",
    "weights.safetensors",
]


@pytest.fixture
def bundle(make_bundle):
    return make_bundle()


@pytest.fixture
def stored(tmp_path, bundle):
    write_bundle(tmp_path / "model", bundle)
    return tmp_path / "model"


def test_written_and_read(stored, bundle) -> None:
    assert sorted(path.name for path in stored.iterdir()) == FILES
    again = read_bundle(stored)
    assert again.preset == bundle.preset
    assert again.vocabulary == bundle.vocabulary
    assert again.history == bundle.history
    assert again.best_epoch == bundle.best_epoch
    assert again.calibration == bundle.calibration
    assert list(again.weights) == list(bundle.weights)
    for name, weight in bundle.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)


def test_the_same_bundle_gives_the_same_bytes(stored, bundle, tmp_path) -> None:
    write_bundle(tmp_path / "again", bundle)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (stored / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["remove", "empty", "truncate", "garbage", "directory"])
def test_a_damaged_file_is_refused_by_name(stored, name, damage) -> None:
    path = stored / name
    content = path.read_bytes()
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage != "remove":
        left = {"empty": b"", "truncate": content[:-9], "garbage": b"\x80\x04]q\x00."}[damage]
        path.write_bytes(left)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        read_bundle(stored)


def flipped(content: bytes, times: int):
    """`content` with one bit changed, at so many places."""
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), times):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        yield bytes(damaged)


@pytest.mark.parametrize("name", [name for name in FILES if name != "config.json"])
def test_a_flipped_bit_is_found(stored, name) -> None:
    path = stored / name
    for damaged in flipped(path.read_bytes(), 50):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=rf"{name}: its SHA-256 is"):
            read_bundle(stored)


@pytest.mark.parametrize("name", FILES)
def test_even_with_the_right_digests_no_flipped_bit_does_harm(stored, bundle, name) -> None:
    """A flip in a number may pass; what does not must be a BundleError and nothing else."""
    path = stored / name
    for damaged in flipped(path.read_bytes()[:1500], 150):
        path.write_bytes(damaged)
        if name != "config.json":
            reseal(stored, name)
        try:
            read = read_bundle(stored)
            read_table(stored, read)
        except BundleError:
            continue
        shapes = {key: weight.shape for key, weight in read.weights.items()}
        assert shapes == {key: weight.shape for key, weight in bundle.weights.items()}


def reseal(stored, name) -> None:
    """Have `config.json` vouch for the file as it is: what a forger would do."""
    config = json.loads((stored / "config.json").read_text())
    config["sha256"][name] = hashlib.sha256((stored / name).read_bytes()).hexdigest()
    (stored / "config.json").write_text(json.dumps(config))


def change_weights(stored, change) -> None:
    weights = safetensors.numpy.load_file(stored / "weights.safetensors")
    change(weights)
    safetensors.numpy.save_file(weights, stored / "weights.safetensors")
    reseal(stored, "weights.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("forward/uf"), "forward/uf is missing"),
        (lambda w: w.update(extra=np.zeros(2, np.float32)), "extra is not of this classifier"),
        (
            lambda w: w.update({"dense/bias": np.zeros(4, np.float32)}),
            r"F32 \(4,\), not F32 \(3,\)",
        ),
        (lambda w: w.update({"dense/bias": np.zeros(3)}), r"dense/bias is F64"),
        (lambda w: w["forward/wi"].__setitem__((0, 0), np.nan), "forward/wi holds a value"),
        (lambda w: w["dense/kernel"].__setitem__((0, 0), np.inf), "dense/kernel holds a value"),
    ],
)
def test_bad_weights_are_refused_by_name(stored, change, message) -> None:
    change_weights(stored, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(stored)


def test_a_header_that_claims_what_is_not_there_is_refused(stored) -> None:
    shape = [1 << 20, 1 << 20]
    header = {"huge": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 << 40]}}
    text = json.dumps(header).encode()
    (stored / "weights.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    reseal(stored, "weights.safetensors")
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        read_bundle(stored)


def change_json(path, **fields) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **fields}))
    if path.name != "config.json":
        reseal(path.parent, path.name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "lstm_model.bundle/9"}, "format is 'lstm_model.bundle/9'"),
        ({"classes": 4}, "4 classes where 3 are known"),
        ({"vocabulary_sizes": [14]}, "15 words by 'verbatim', where config.json has 14"),
        ({"vocabulary_sizes": [1 << 50]}, r"1,125,899,906,842,624 words would be [\d,]+ bytes of"),
        ({"vocabulary_sizes": "15"}, "the sizes of the vocabularies are '15'"),
        ({"vocabulary_sizes": ["15"]}, r"the sizes of the vocabularies are \['15'\]"),
        ({"vocabulary_sizes": [-1]}, r"the sizes of the vocabularies are \[-1\]"),
        ({"vocabulary_sizes": [15, 15]}, r"the sizes of the vocabularies are \[15, 15\]"),
        ({"vocabulary_sizes": []}, r"the sizes of the vocabularies are \[\]"),
        ({"preset": None}, "JSON object was expected"),
        ({"preset": {"name": "x"}}, "is missing"),
        ({"sha256": None}, "JSON object was expected"),
        ({"sha256": {}}, "where config.json has None"),
    ],
)
def test_a_foreign_config_is_refused(stored, fields, message) -> None:
    change_json(stored / "config.json", **fields)
    with pytest.raises(BundleError, match=message):
        read_bundle(stored)


@pytest.mark.parametrize(
    ("name", "value"), [("units", 10**9), ("embedding_size", 10**9), ("units", 10**400)]
)
def test_an_absurd_shape_is_refused_by_what_it_would_cost(stored, bundle, name, value) -> None:
    preset = {**bundle.preset.to_dict(), name: value}
    change_json(stored / "config.json", preset=preset)
    with pytest.raises(BundleError, match=r"config\.json: .* bytes of weights, where at most"):
        read_bundle(stored)


@pytest.mark.parametrize("name", FILES)
def test_a_file_larger_than_it_can_be_is_refused_by_its_size(stored, name) -> None:
    with (stored / name).open("r+b") as file:
        file.truncate(2 << 40)  # a hole in the file: it takes no room on the disk
    with pytest.raises(BundleError, match=rf"{name}: 2,199,023,255,552 bytes cannot be right"):
        read_bundle(stored)


@pytest.mark.parametrize("name", ["weights.safetensors", "table.npy", "vocabulary.json"])
def test_a_file_smaller_than_it_can_be_is_refused_by_its_size(stored, name) -> None:
    (stored / name).write_bytes(b"{}")
    reseal(stored, name)
    with pytest.raises(BundleError, match=rf"{name}: 2 bytes cannot be right"):
        read_bundle(stored)


def test_a_pipe_in_place_of_a_file_keeps_no_one_waiting(stored) -> None:
    for name in FILES:
        (stored / name).rename(stored / f".{name}")
        os.mkfifo(stored / name)
        with pytest.raises(BundleError, match=rf"{name}: it is no file"):
            read_bundle(stored)
        (stored / f".{name}").rename(stored / name)


LOADED_WITH_LITTLE_MEMORY = """
import os, resource, sys
from lstm_model.bundle_files import BundleError
from lstm_model.packed import PackedScorer

with open("/proc/self/statm") as file:
    present = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (present + (32 << 20),) * 2)
for directory in sys.argv[1:]:
    try:
        PackedScorer.load(directory)
        print("loaded")
    except BundleError as error:
        print(f"{os.path.basename(directory)} refused")
try:
    bytearray(64 << 20)
except MemoryError:
    print("no memory for more")
"""


def test_a_bundle_is_refused_before_anything_is_allocated_for_it(stored, tmp_path) -> None:
    def copy(name) -> Path:
        return Path(shutil.copytree(stored, tmp_path / name))

    def grow(path) -> None:
        with path.open("r+b") as file:
            file.truncate(1 << 28)
        if path.name != "config.json":
            reseal(path.parent, path.name)

    preset = json.loads((stored / "config.json").read_text())["preset"]
    change_json(copy("units") / "config.json", preset={**preset, "units": 10**9})
    change_json(copy("many words") / "config.json", vocabulary_sizes=[1 << 40])
    for name in FILES:
        grow(copy(name) / name)
    change_weights(copy("nan"), lambda w: w["dense/kernel"].__setitem__((0, 0), np.nan))
    bad = sorted(set(tmp_path.iterdir()) - {stored})

    shown = subprocess.run(
        [sys.executable, "-c", LOADED_WITH_LITTLE_MEMORY, stored, *bad],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    refused = [f"{directory.name} refused" for directory in bad]
    assert shown.stdout.splitlines() == ["loaded", *refused, "no memory for more"]


@pytest.mark.parametrize("name", ["model.pkl", "weights.safetensors.bak", "code", "结果.csv"])
def test_what_is_no_file_of_the_bundle_is_refused_by_name(stored, name) -> None:
    (stored / name).mkdir() if name == "code" else (stored / name).write_bytes(b"")
    with pytest.raises(BundleError, match=f"{name}: it is no file of this bundle"):
        PackedScorer.load(stored)


def test_a_table_where_none_is_read_is_no_file_of_the_bundle(stored, monkeypatch) -> None:
    monkeypatch.setattr(folding, "LIMIT", 100)
    with pytest.raises(BundleError, match=r"table\.npy: it is no file of this bundle"):
        read_bundle(stored)


def test_what_an_artifact_adds_and_what_is_hidden_may_stand_beside_it(stored, bundle) -> None:
    for name in ("metrics.json", "report.html", "_manifest.json", ".DS_Store"):
        (stored / name).write_text("")
    assert read_bundle(stored).vocabulary == bundle.vocabulary


def test_a_vocabulary_by_other_rules_is_refused(stored) -> None:
    change_json(stored / "vocabulary.json", rules="text_vectorization")
    with pytest.raises(BundleError, match=r"vocabulary\.json.*'text_vectorization'"):
        read_bundle(stored)


@pytest.mark.parametrize(
    "fields", [{"epochs": 3}, {"epochs": [1]}, {"epochs": [{"loss": "low"}]}, {"best_epoch": "1"}]
)
def test_a_bad_history_is_refused(stored, fields) -> None:
    change_json(stored / "history.json", **fields)
    with pytest.raises(BundleError, match="not a history of epochs"):
        read_bundle(stored)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": 0}, "must be from 0.001 to 1000, not 0"),
        ({"temperature": "1"}, "must be from 0.001 to 1000, not '1'"),
        ({"thresholds": [1, 2]}, "must be 3 numbers"),
        ({"thresholds": 1}, "must be a list"),
        ({"code": "print()"}, "were expected"),
    ],
)
def test_a_bad_calibration_is_refused(stored, fields, message) -> None:
    change_json(stored / "calibration.json", **fields)
    with pytest.raises(BundleError, match=rf"calibration\.json.*{message}"):
        read_bundle(stored)


def test_a_calibration_is_kept(bundle, tmp_path) -> None:
    calibration = Calibration(1.5, (0.5, 1.0, 2.0))
    write_bundle(tmp_path, dataclasses.replace(bundle, calibration=calibration))
    assert read_bundle(tmp_path).calibration == calibration


def test_the_table_is_mapped_and_not_copied(stored, bundle) -> None:
    table = read_table(stored, read_bundle(stored))
    np.testing.assert_array_equal(table, folding.fold(bundle.preset, bundle.weights))
    assert isinstance(table.base, np.memmap)
    assert not table.flags.writeable


def test_a_table_of_another_shape_or_type_is_refused(stored) -> None:
    bundle = read_bundle(stored)
    table = np.array(read_table(stored, bundle))
    for bad in (table.ravel(), table.view(np.int32), np.asfortranarray(table), table.astype(">f4")):
        np.save(stored / "table.npy", bad)
        with pytest.raises(BundleError, match=r"table\.npy: its header is .*, not that of float32"):
            read_table(stored, bundle)
    np.save(stored / "table.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x93NUMPY\x01\x00"])
def test_a_table_of_another_format_is_refused(stored, content) -> None:
    bundle = read_bundle(stored)
    (stored / "table.npy").write_bytes(content)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle)


@pytest.mark.parametrize(
    "shape",
    ["(" + "9" * 50 + ", 3)", "(" * 50, "(2, 15, 99999999)", "(2, 15, -12)", "()"],
)
def test_a_table_with_a_forged_header_is_refused(stored, shape) -> None:
    bundle = read_bundle(stored)
    path = stored / "table.npy"
    content = path.read_bytes()
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)  # as `np.save` has it
    path.write_bytes(start + text.ljust(117).encode() + b"\n" + content[128:])
    assert path.stat().st_size == len(content)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle)


def test_a_table_of_another_length_is_refused(stored) -> None:
    bundle = read_bundle(stored)
    path = stored / "table.npy"
    content = path.read_bytes()
    for other in (content[:-4], content + bytes(4), content[:128]):
        path.write_bytes(other)
        with pytest.raises(BundleError, match=r"table\.npy: [\d,]+ bytes cannot be right"):
            read_table(stored, bundle)


def test_an_archive_or_a_value_that_is_no_number_for_a_table_is_refused(stored) -> None:
    bundle = read_bundle(stored)
    table = np.array(read_table(stored, bundle))
    with (stored / "table.npy").open("wb") as file:
        np.savez(file, table=table)
    with pytest.raises(BundleError, match=r"table\.npy"):
        read_table(stored, bundle)
    table[0, 3, 2] = np.nan
    np.save(stored / "table.npy", table)
    with pytest.raises(BundleError, match="not a finite number"):
        read_table(stored, bundle)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"temperature": ' + "9" * 401 + "}"])
def test_no_json_however_odd_is_another_error(stored, name, text) -> None:
    (stored / name).write_text(text)
    if name != "config.json":
        reseal(stored, name)
    with pytest.raises(BundleError, match=name):
        read_bundle(stored)


@pytest.mark.parametrize("number", [10**400, 1e-39])
def test_numbers_beyond_all_measure_are_refused(stored, number) -> None:
    change_json(stored / "calibration.json", temperature=number)
    with pytest.raises(BundleError, match=r"calibration\.json"):
        read_bundle(stored)
    change_json(stored / "calibration.json", temperature=1)
    change_json(stored / "history.json", epochs=[{"loss": number}])
    if isinstance(number, int):
        with pytest.raises(BundleError, match="not a history"):
            read_bundle(stored)


def test_a_table_that_would_be_too_large_is_not_written(bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folding, "LIMIT", 100)
    write_bundle(tmp_path, bundle)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*FILES} - {"table.npy"})
    assert read_table(tmp_path, read_bundle(tmp_path)) is None
