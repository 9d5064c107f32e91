"""The verb `export`, which runs without Prefect."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.commands import main
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.models import registry
from headlines.models.presets import resolve_preset
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.train import train


@pytest.fixture
def model(root: DataRoot, corpus_file: Path, small_preset: str) -> Artifact:
    """The champion of a data root."""
    corpus = ingest(root, "news", str(corpus_file))
    return train(root, corpus, segment_corpus(root, corpus), resolve_preset(small_preset))


def test_the_result_as_json_and_for_people(
    model: Artifact, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for format in ("onnx", "saved_model"):
        main(["export", "--format", format, str(tmp_path / format), "--json"])
        result = json.loads(capfd.readouterr().out)  # and nothing else
        assert result.pop("largest_difference") <= 1e-5
        assert result == {
            "model": model.version,
            "format": format,
            "directory": str(tmp_path / format),
            "checked": 18,
        }
        assert (tmp_path / format / "export.json").is_file()

    named = ["export", "--model", model.version, "--format", "onnx"]
    main([*named, str(tmp_path / "again")])
    shown = capfd.readouterr().out.splitlines()
    assert shown[0] == f"export: {tmp_path / 'again'} (onnx of {model.version})"
    assert shown[1].startswith("checked on 18 headlines: ")
    first, again = (tmp_path / name / "model.onnx" for name in ("onnx", "again"))
    assert again.read_bytes() == first.read_bytes()


def test_export_to_onnx_loads_no_prefect_or_tensorflow(
    model: Artifact, root: DataRoot, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "sys.modules['prefect'] = sys.modules['tensorflow'] = None\n"
        "from flows.cli.commands import main\n"
        f"main(['--data', {str(root.store.directory)!r}, 'export', '--format', 'onnx', 'new'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"export: new (onnx of {model.version})")
    assert done.stderr == ""
    assert registry.versions(root) == [model.version]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new",), "required: --format"),
        (("--format", "onnx"), "required: DIRECTORY"),
        (("--format", "tflite", "new"), "'saved_model'"),
        (("--format", "onnx", "new"), "headlines train"),
        (("--format", "onnx", "--model", "none", "new"), "headlines models"),
        (("--format", "onnx", "."), "name a directory that does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "root"))
    (tmp_path / "something").touch()
    with pytest.raises(SystemExit) as left:
        main(["export", *arguments])
    shown = capsys.readouterr()
    assert left.value.code == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert said in shown.err
    assert list(tmp_path.iterdir()) == [tmp_path / "something"]
