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

from lstm_model.bundle import read_bundle, write_bundle
from lstm_model.bundle_arrays import read_table
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


def test_written_bundle_is_read_back(stored, bundle) -> None:
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


def test_same_bundle_gives_the_same_bytes(stored, bundle, tmp_path) -> None:
    write_bundle(tmp_path / "again", bundle)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (stored / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["remove", "empty", "truncate", "garbage", "directory"])
def test_corrupt_file_is_rejected_and_named(stored, name, damage) -> None:
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
    """`content` with one bit changed, at random positions."""
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), times):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        yield bytes(damaged)


@pytest.mark.parametrize("name", [name for name in FILES if name != "config.json"])
def test_flipped_bit_is_detected(stored, name) -> None:
    path = stored / name
    for damaged in flipped(path.read_bytes(), 50):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=rf"{name}: its SHA-256 is"):
            read_bundle(stored)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bit_with_valid_digest_is_harmless(stored, bundle, name) -> None:
    """A flip in a number may pass; else the error is a BundleError."""
    path = stored / name
    for damaged in flipped(path.read_bytes()[:1500], 150):
        path.write_bytes(damaged)
        if name != "config.json":
            reseal(stored, name)
        try:
            read = read_bundle(stored)
            read_table(stored, read.preset, read.vocabulary_sizes)
        except BundleError:
            continue
        shapes = {key: weight.shape for key, weight in read.weights.items()}
        assert shapes == {key: weight.shape for key, weight in bundle.weights.items()}


def reseal(stored, name) -> None:
    """Update the digest in `config.json`, as a forger would."""
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
def test_bad_weights_are_rejected_and_named(stored, change, message) -> None:
    change_weights(stored, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(stored)


def test_header_that_claims_missing_data_is_rejected(stored) -> None:
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
        ({"classes": 4}, "4 classes, not 3"),
        (
            {"vocabulary_sizes": [14]},
            "15 words by 'normalised', but 14 by 'normalised' in config.json",
        ),
        ({"vocabulary_sizes": [1 << 50]}, r"1,125,899,906,842,624 words would be [\d,]+ bytes of"),
        ({"vocabulary_sizes": "15"}, "bad sizes of the vocabularies: '15'"),
        ({"vocabulary_sizes": ["15"]}, r"bad sizes of the vocabularies: \['15'\]"),
        ({"vocabulary_sizes": [-1]}, r"bad sizes of the vocabularies: \[-1\]"),
        ({"vocabulary_sizes": [15, 15]}, r"bad sizes of the vocabularies: \[15, 15\]"),
        ({"vocabulary_sizes": []}, r"bad sizes of the vocabularies: \[\]"),
        ({"preset": None}, "JSON object was expected"),
        ({"preset": {"name": "x"}}, "is missing"),
        ({"sha256": None}, "JSON object was expected"),
        ({"sha256": {}}, "but None in config.json"),
    ],
)
def test_bad_config_is_rejected(stored, fields, message) -> None:
    change_json(stored / "config.json", **fields)
    with pytest.raises(BundleError, match=message):
        read_bundle(stored)


@pytest.mark.parametrize(
    ("name", "value"), [("units", 10**9), ("embedding_size", 10**9), ("units", 10**400)]
)
def test_huge_shape_is_rejected_by_its_bytes(stored, bundle, name, value) -> None:
    preset = {**bundle.preset.to_dict(), name: value}
    change_json(stored / "config.json", preset=preset)
    with pytest.raises(BundleError, match=r"config\.json: .* bytes of weights; at most"):
        read_bundle(stored)


@pytest.mark.parametrize("name", FILES)
def test_file_of_impossibly_large_size_is_rejected(stored, name) -> None:
    with (stored / name).open("r+b") as file:
        file.truncate(2 << 40)  # a sparse file: it takes no space on the disk
    with pytest.raises(BundleError, match=rf"{name}: 2,199,023,255,552 bytes, where"):
        read_bundle(stored)


@pytest.mark.parametrize("name", ["weights.safetensors", "table.npy", "vocabulary.json"])
def test_file_of_impossibly_small_size_is_rejected(stored, name) -> None:
    (stored / name).write_bytes(b"{}")
    reseal(stored, name)
    with pytest.raises(BundleError, match=rf"{name}: 2 bytes, where"):
        read_bundle(stored)


def test_pipe_in_place_of_a_file_does_not_block(stored) -> None:
    for name in FILES:
        (stored / name).rename(stored / f".{name}")
        os.mkfifo(stored / name)
        with pytest.raises(BundleError, match=rf"{name}: it is not a file"):
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


def test_bad_bundle_is_rejected_before_memory_is_allocated(stored, tmp_path) -> None:
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
def test_other_file_in_the_bundle_is_rejected(stored, name) -> None:
    (stored / name).mkdir() if name == "code" else (stored / name).write_bytes(b"")
    with pytest.raises(BundleError, match=f"{name}: it is not a file of this bundle"):
        PackedScorer.load(stored)


def test_artifact_files_and_hidden_files_are_allowed(stored, bundle) -> None:
    for name in ("metrics.json", "report.html", "_manifest.json", ".DS_Store"):
        (stored / name).write_text("")
    assert read_bundle(stored).vocabulary == bundle.vocabulary


def test_vocabulary_by_other_rules_is_rejected(stored) -> None:
    change_json(stored / "vocabulary.json", rules="text_vectorization")
    with pytest.raises(BundleError, match=r"vocabulary\.json.*'text_vectorization'"):
        read_bundle(stored)


@pytest.mark.parametrize(
    "fields", [{"epochs": 3}, {"epochs": [1]}, {"epochs": [{"loss": "low"}]}, {"best_epoch": "1"}]
)
def test_bad_history_is_rejected(stored, fields) -> None:
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
def test_bad_calibration_is_rejected(stored, fields, message) -> None:
    change_json(stored / "calibration.json", **fields)
    with pytest.raises(BundleError, match=rf"calibration\.json.*{message}"):
        read_bundle(stored)


def test_calibration_is_stored(bundle, tmp_path) -> None:
    calibration = Calibration(1.5, (0.5, 1.0, 2.0))
    write_bundle(tmp_path, dataclasses.replace(bundle, calibration=calibration))
    assert read_bundle(tmp_path).calibration == calibration


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"temperature": ' + "9" * 401 + "}"])
def test_odd_json_raises_bundle_error(stored, name, text) -> None:
    (stored / name).write_text(text)
    if name != "config.json":
        reseal(stored, name)
    with pytest.raises(BundleError, match=name):
        read_bundle(stored)


@pytest.mark.parametrize("number", [10**400, 1e-39])
def test_out_of_range_numbers_are_rejected(stored, number) -> None:
    change_json(stored / "calibration.json", temperature=number)
    with pytest.raises(BundleError, match=r"calibration\.json"):
        read_bundle(stored)
    change_json(stored / "calibration.json", temperature=1)
    change_json(stored / "history.json", epochs=[{"loss": number}])
    if isinstance(number, int):
        with pytest.raises(BundleError, match="not a history"):
            read_bundle(stored)
