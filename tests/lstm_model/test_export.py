from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest

from lstm_model import PackedScorer
from lstm_model.branch_config import ArticleConfig, BigramConfig
from lstm_model.calibration import Calibration
from lstm_model.export.export import (
    FORMATS,
    ExportError,
    MissingPackage,
    export_model,
    require_format,
    validate_export,
)
from lstm_model.vocabulary import Vocabulary

WORDS = ["股市", "大涨", "下跌", "地震", "AI", "Ai!", "!", " ", "没见过"]
ROWS = [["股市", "大涨"], [], ["没见过"], [" "], ["大涨"], ["AI", "没见过", "!"], ["下跌"] * 9]
ARCHITECTURES = list(product([False, True], ["last", "max_mean"], [None, 5]))
# Runs a SavedModel where this package cannot be imported.
SERVE = """
import sys
sys.modules["lstm_model"] = None
import numpy as np, tensorflow as tf
served = tf.saved_model.load("saved_model").signatures
ids = tf.constant(np.load("ids.npy"))
for name in ("serve", "serving_default"):
    np.save(f"{name}.npy", served[name](ids=ids)["probabilities"])
print(*sorted(served))
"""


def random_rows(rows: int) -> list[list[str]]:
    rng = np.random.default_rng(5)
    return [list(rng.choice(WORDS, length)) for length in rng.integers(0, 14, rows)]


def run_onnx(directory, ids):
    session = onnxruntime.InferenceSession(directory / "model.onnx")
    return session.run(["probabilities"], {"ids": ids})[0]


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize(("bidirectional", "pooling", "length"), ARCHITECTURES)
def test_onnx_matches_the_scorer(
    make_bundle, tmp_path, bidirectional, pooling, length, readers
) -> None:
    bundle = make_bundle(
        bidirectional=bidirectional, pooling=pooling, padded_length=length, readers=readers
    )
    rows = ROWS + random_rows(600)
    largest = export_model(bundle, tmp_path, rows, "onnx")
    ids = Vocabulary.load(tmp_path / "vocabulary.json").encode(rows)  # rows are not cut
    expected = PackedScorer(bundle).predict(rows)
    found = run_onnx(tmp_path, ids)
    assert np.abs(found - expected).max() <= 1e-5
    assert largest == pytest.approx(np.abs(found - expected).max(), abs=2e-7)
    assert np.ptp(found, axis=0).max() > 0.02  # the rows do differ

    padded = np.pad(ids, [(0, 0), (0, 7)])
    np.testing.assert_allclose(run_onnx(tmp_path, padded), expected, atol=1e-5)
    for row, probabilities in zip(ROWS, expected, strict=False):
        alone = bundle.vocabulary.encode([row])
        np.testing.assert_allclose(run_onnx(tmp_path, alone)[0], probabilities, atol=1e-5)


@pytest.mark.parametrize(("bidirectional", "pooling", "length"), ARCHITECTURES)
def test_saved_model_matches_the_scorer(
    make_bundle, tmp_path, bidirectional, pooling, length
) -> None:
    import tensorflow as tf

    bundle = make_bundle(bidirectional=bidirectional, pooling=pooling, padded_length=length)
    rows = ROWS + random_rows(300)
    largest = export_model(bundle, tmp_path, rows, "saved_model")
    expected = PackedScorer(bundle).predict(rows)
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    ids = tf.constant(bundle.vocabulary.encode(rows))
    found = loaded.signatures["serve"](ids=ids)["probabilities"].numpy()
    assert np.abs(found - expected).max() <= 1e-5
    assert largest == pytest.approx(np.abs(found - expected).max(), abs=2e-7)


@pytest.mark.parametrize("format", FORMATS)
def test_export_of_several_branches_at_a_temperature(make_bundle, tmp_path, format) -> None:
    plain = make_bundle(readers=2, pairs=BigramConfig(2, 1, 4))
    bundle = dataclasses.replace(plain, calibration=Calibration(2.5, (1.0, 1.0, 1.0)))
    assert export_model(bundle, tmp_path, ROWS + random_rows(300), format) <= 1e-5
    inputs = json.loads((tmp_path / "export.json").read_text("utf-8"))["inputs"]
    assert [one["name"] for one in inputs] == ["ids", "pair_ids"]


@pytest.mark.parametrize("format", FORMATS)
def test_export_of_the_path_of_articles(make_bundle, tmp_path, format) -> None:
    config = ArticleConfig(90, min_articles=1, c=1.0, network_weight=0.7, article_weight=0.5)
    plain = make_bundle(pairs=BigramConfig(2, 1, 4), contents=config)
    bundle = dataclasses.replace(plain, calibration=Calibration(2.5))
    titles = ROWS + random_rows(300)
    contents = [*titles[1:], []]
    assert export_model(bundle, tmp_path, titles, format, articles=contents) <= 1e-5
    description = json.loads((tmp_path / "export.json").read_text("utf-8"))
    names = [model_input["name"] for model_input in description["inputs"]]
    assert names == ["ids", "pair_ids", "content_ids", "content_counts"]
    assert description["words"]["content_characters"] == 90
    assert (tmp_path / "content_vocabulary.json").exists()


@pytest.mark.integration
def test_saved_model_runs_without_this_package(make_bundle, tmp_path) -> None:
    bundle = make_bundle(padded_length=5)
    export_model(bundle, tmp_path, ROWS, "saved_model")
    np.save(tmp_path / "ids.npy", bundle.vocabulary.encode(ROWS))
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["serve", "serving_default"]
    for name in done.stdout.split():
        found = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(found, PackedScorer(bundle).predict(ROWS), atol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_export_divides_logits_by_the_temperature(make_bundle, tmp_path, format) -> None:
    plain = make_bundle()
    bundle = dataclasses.replace(plain, calibration=Calibration(2.5, (1.0, 1.0, 0.5)))
    export_model(bundle, tmp_path, ROWS, format)
    with pytest.raises(ExportError):
        validate_export(plain, tmp_path, ROWS, format)
    output = json.loads((tmp_path / "export.json").read_text("utf-8"))["output"]
    assert output["thresholds"] == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("format", "pooling"), [("onnx", "max_mean"), ("onnx", "last"), ("saved_model", "max_mean")]
)
def test_export_with_a_changed_weight_is_rejected(make_bundle, tmp_path, format, pooling) -> None:
    bundle = make_bundle(pooling=pooling)
    export_model(bundle, tmp_path, ROWS, format)
    assert validate_export(bundle, tmp_path, ROWS, format) <= 1e-5
    # One number of each kind of weight: of the gates alike, of both directions, of every layer.
    for name in ("embedding/embeddings", "forward/wi", "backward/uo", "forward/bc", "dense/bias"):
        changed = bundle.weights[name].copy()
        changed[-1] += 0.1
        other = dataclasses.replace(bundle, weights=bundle.weights | {name: changed})
        with pytest.raises(ExportError, match=r"headline \d of the check"):
            validate_export(other, tmp_path, ROWS, format)


def test_export_with_another_vocabulary_is_rejected(make_bundle, tmp_path) -> None:
    bundle = make_bundle()
    export_model(bundle, tmp_path, ROWS, "onnx")
    words = bundle.vocabulary.words
    swapped = Vocabulary((*words[:2], *reversed(words[2:])), bundle.vocabulary.rules)
    swapped.save(tmp_path / "vocabulary.json")
    with pytest.raises(ExportError):
        validate_export(bundle, tmp_path, ROWS, "onnx")


def test_export_with_nan_is_rejected(make_bundle, tmp_path) -> None:
    bundle = make_bundle()
    bundle.weights["dense/bias"][0] = np.nan
    with pytest.raises(ExportError, match="nan"):
        export_model(bundle, tmp_path, ROWS, "onnx")
    assert not (tmp_path / "export.json").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_export_json_describes_the_model(make_bundle, tmp_path, format) -> None:
    bundle = make_bundle(padded_length=5, rules="text_vectorization")
    directory = tmp_path / "new" / "one"
    largest = export_model(bundle, directory, ROWS, format, {"version": "v1"})
    described = json.loads((directory / "export.json").read_text("utf-8"))
    assert described["version"] == "v1"
    assert described["model"]["format"] == format
    assert (directory / described["model"]["path"]).exists()
    assert described["words"]["padded_length"] == 5
    assert described["words"]["text_rules"] == "text_vectorization"
    assert described["check"]["headlines"] == len(ROWS)
    assert described["check"]["largest_difference"] == largest
    assert Vocabulary.load(directory / "vocabulary.json") == bundle.vocabulary
    if format == "onnx":  # what it says of input and output is what the graph has
        session = onnxruntime.InferenceSession(directory / "model.onnx")
        [ids], [probabilities] = session.get_inputs(), session.get_outputs()
        assert (ids.name, ids.type, ids.shape) == ("ids", "tensor(int32)", ["batch", "words"])
        [given] = described["inputs"]
        assert (ids.name, ids.shape) == (given["name"], given["shape"])
        assert probabilities.name == described["output"]["name"]
        assert probabilities.shape == described["output"]["shape"]


def test_runtimes_of_2022_read_the_onnx_file(make_bundle, tmp_path) -> None:
    export_model(make_bundle(), tmp_path, ROWS, "onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    constants = {constant.name for constant in model.graph.initializer}
    assert constants <= {name for node in model.graph.node for name in node.input}


def test_same_model_gives_the_same_onnx_bytes(make_bundle, tmp_path) -> None:
    for name in ("one", "two"):
        export_model(make_bundle(), tmp_path / name, ROWS, "onnx")
    assert len({(tmp_path / name / "model.onnx").read_bytes() for name in ("one", "two")}) == 1


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_package_is_named(make_bundle, tmp_path, monkeypatch, package) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "lstm_model.export.onnx", raising=False)
    with pytest.raises(MissingPackage, match=rf"{package} .*pip install onnx onnxruntime"):
        export_model(make_bundle(), tmp_path / "new", ROWS, "onnx")
    assert not (tmp_path / "new").exists()


def test_saved_model_needs_no_onnx(monkeypatch) -> None:
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    require_format("saved_model")


def test_unknown_format_and_empty_check_are_rejected(make_bundle, tmp_path) -> None:
    with pytest.raises(ValueError, match="onnx, saved_model, not 'tflite'"):
        export_model(make_bundle(), tmp_path, ROWS, "tflite")
    with pytest.raises(ValueError, match="there are none"):
        export_model(make_bundle(), tmp_path, [], "onnx")
