import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from headlines import predict, segment
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.models import champion
from headlines.models.export import export
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from lstm_model.export.export import ExportError
from lstm_model.vocabulary import Vocabulary

VERSION = "2026-11-20-00000000"
DEV = ["股市大涨", "某地地震，三人受伤", "天气", "下跌", "夺冠夺冠夺冠"]


@dataclass
class Made:
    """A model, the champion, and what it was made from."""

    root: DataRoot
    source: Path
    corpus: Artifact
    tokens: Artifact
    model: Artifact


@pytest.fixture
def made(
    root: DataRoot,
    tmp_path: Path,
    publish_model: Callable[..., Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> Made:
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))
    source = tmp_path / "news.csv"
    lines = [f"{title},{row % 3},dev" for row, title in enumerate(DEV)]
    source.write_text("\n".join(["title,label,split", "大涨,0,train", *lines]), encoding="utf-8")
    corpus = ingest(root, "news", str(source))
    tokens = segment_corpus(root, corpus)
    model = publish_model(root, VERSION, (corpus.as_source(), tokens.as_source()))
    champion.promote(root, VERSION, "a test")
    return Made(root, source, corpus, tokens, model)


def refusal(made: Made, target: Path, model: str = "champion", format: str = "onnx") -> str:
    """The error of an export, which must leave nothing behind."""
    before = sorted(target.parent.iterdir())
    with pytest.raises(InputError) as caught:
        export(model, format, target, made.root)
    assert sorted(target.parent.iterdir()) == before
    return str(caught.value)


@pytest.mark.parametrize("name", ["champion", VERSION])
def test_onnx_gives_the_same_probabilities(made: Made, tmp_path: Path, name: str) -> None:
    target = tmp_path / "exports" / "one"
    result = export(name, "onnx", target, made.root)

    assert result.pop("largest_difference") <= 1e-5
    assert result == {
        "model": VERSION,
        "format": "onnx",
        "directory": str(target),
        "checked": len(DEV),  # only the dev split
    }
    vocabulary = Vocabulary.load(target / "vocabulary.json")
    session = onnxruntime.InferenceSession(target / "model.onnx")
    [found] = session.run(None, {"ids": vocabulary.encode(segment(DEV))})
    np.testing.assert_allclose(found, predict(DEV), atol=1e-5)
    described = json.loads((target / "export.json").read_text("utf-8"))
    assert described["version"] == VERSION
    assert described["labels"] == ["positive", "neutral", "negative"]
    assert described["segmenter"] == made.tokens.manifest.config["segmenter"]
    assert described["segmenter"]["jieba"] == "0.42.1"  # needed to segment as in training
    assert list(target.parent.iterdir()) == [target]


def test_a_saved_model_is_published_whole(made: Made, tmp_path: Path) -> None:
    target = tmp_path / "exports" / "one"
    result = export("champion", "saved_model", target, made.root)
    assert result["largest_difference"] <= 1e-5
    assert sorted(path.name for path in target.iterdir()) == [
        "export.json",
        "saved_model",
        "vocabulary.json",
    ]
    assert list(target.parent.iterdir()) == [target]


def test_existing_directories_are_left_alone(made: Made, tmp_path: Path) -> None:
    target = tmp_path / "exports"
    target.mkdir()
    (target / ".hidden").write_text("mine", encoding="utf-8")
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for path in (target, file, made.root.store.directory, tmp_path / "empty"):
        assert "name a directory that does not exist" in refusal(made, path)
    assert [path.read_text("utf-8") for path in (target / ".hidden", file)] == ["mine"] * 2


def test_a_directory_that_cannot_be_created_is_refused(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        export("champion", "onnx", tmp_path / "file" / "exports", made.root)


def test_a_target_created_during_export_is_kept(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "exports"

    def create_target(directory: Path) -> None:  # just before the rename
        target.mkdir()
        (target / "theirs").touch()

    monkeypatch.setattr("headlines.models.export.fsync_tree", create_target)
    with pytest.raises(InputError, match="cannot be written"):
        export("champion", "onnx", target, made.root)
    assert list(target.iterdir()) == [target / "theirs"]
    assert not list(tmp_path.glob(".exports*"))


def test_unknown_models_and_formats_are_refused(made: Made, tmp_path: Path) -> None:
    assert "headlines models" in refusal(made, tmp_path / "new", model="2026-01-01-ffffffff")
    assert "cannot be a model version" in refusal(made, tmp_path / "new", model="../x")
    assert "use one of onnx, saved_model" in refusal(made, tmp_path / "new", format="tflite")
    made.root.store.path(made.root.champion).unlink()
    assert "headlines promote" in refusal(made, tmp_path / "new")


def test_a_missing_package_can_be_installed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "lstm_model.export.onnx", raising=False)
    said = refusal(made, tmp_path / "new")
    assert "onnxruntime is not installed" in said
    assert "pip install onnx onnxruntime" in said


@pytest.mark.parametrize("name", ["corpus", "tokens"])
@pytest.mark.parametrize("fate", ["missing", "damaged"])
def test_export_needs_the_corpus_of_the_model(
    made: Made, tmp_path: Path, name: str, fate: str
) -> None:
    artifact: Artifact = getattr(made, name)
    if fate == "missing":
        artifact.directory.rename(tmp_path / "elsewhere")
    else:
        path = artifact.files(".parquet")[0]
        path.write_bytes(path.read_bytes()[:-1])
    said = refusal(made, tmp_path / "new")
    assert said.startswith(f"{artifact.location}: ")
    assert f"is {fate}" in said
    assert "headlines segment" in said


def test_a_corpus_rebuilt_from_other_data_is_refused(made: Made, tmp_path: Path) -> None:
    made.source.write_text("title,label,split\n别的新闻,0,dev\n", encoding="utf-8")
    ingest(made.root, "news", str(made.source))
    assert "rebuilt from other data" in refusal(made, tmp_path / "new")


def test_a_wrong_export_is_not_published(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstm_model.export.export.TOLERANCE", -1.0)  # not even equality is enough
    with pytest.raises(ExportError, match="of the check"):
        export("champion", "onnx", tmp_path / "new", made.root)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))
