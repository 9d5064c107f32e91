from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import safetensors.numpy

from lstm_model.bundle import BundleError, read_bundle, write_bundle

FILES = ["config.json", "history.json", "vocabulary.json", "weights.safetensors"]


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


@pytest.mark.parametrize("name", FILES)
def test_no_flipped_byte_does_harm(stored, bundle, name) -> None:
    """A flip in a number may pass (digests are not kept here); nothing else than BundleError."""
    path = stored / name
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, min(len(content), 1500), 150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(damaged)
        try:
            read = read_bundle(stored)
        except BundleError:
            continue
        shapes = {key: weight.shape for key, weight in read.weights.items()}
        assert shapes == {key: weight.shape for key, weight in bundle.weights.items()}


def change_weights(stored, change) -> None:
    weights = safetensors.numpy.load_file(stored / "weights.safetensors")
    change(weights)
    safetensors.numpy.save_file(weights, stored / "weights.safetensors")


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
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        read_bundle(stored)


def change_json(path, **fields) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "lstm_model.bundle/9"}, "format is 'lstm_model.bundle/9'"),
        ({"classes": 4}, "4 classes where 3 are known"),
        ({"vocabulary_size": 1 << 50}, "words by 'verbatim', where config.json has"),
        ({"preset": None}, "JSON object was expected"),
        ({"preset": {"name": "x"}}, "is missing"),
    ],
)
def test_a_foreign_config_is_refused(stored, fields, message) -> None:
    change_json(stored / "config.json", **fields)
    with pytest.raises(BundleError, match=message):
        read_bundle(stored)


def test_an_absurd_size_costs_no_memory(stored, bundle) -> None:
    preset = {**bundle.preset.to_dict(), "units": 1 << 40}
    change_json(stored / "config.json", preset=preset)
    with pytest.raises(BundleError, match=r"forward/wf is F32 \(6, 5\)"):
        read_bundle(stored)


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
