"""Rules of the whole project that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
ROOMS = ("flows", "tasks", "headlines", "lstm_model")
RECURRENT_LAYERS = {"LSTM", "LSTMCell", "GRU", "GRUCell", "RNN", "SimpleRNN", "ConvLSTM2D"}


def names_of(path: Path) -> set[str]:
    """Every name, attribute and import of a module, but for classes of the project itself."""
    found: set[str] = set()
    own: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lstm_model"):
            own.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found.update(alias.name.split(".")[-1] for alias in node.names)
    return found - own


def test_the_only_recurrent_layer_is_our_own() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 40
    for path in modules:
        assert not names_of(path) & RECURRENT_LAYERS, path


def test_the_check_for_recurrent_layers_sees_them(tmp_path: Path) -> None:
    for line in ("import keras; keras.layers.LSTM(3)", "from keras.layers import GRU as Cell"):
        module = tmp_path / "module.py"
        module.write_text(line, encoding="utf-8")
        assert names_of(module) & RECURRENT_LAYERS


def test_every_deployment_names_a_flow_that_is_there() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    assert {deployment["name"] for deployment in deployments} == {
        "nightly", "backfill", "train", "score",
    }  # fmt: skip
    for deployment in deployments:
        file, function = deployment["entrypoint"].split(":")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        flows = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in flows


def test_the_lock_has_a_hash_for_every_package_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", lock) if "==" in entry.split("\n")[0]]
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "http" not in re.sub(r"httpx?\S*|httpcore\S*|httptools\S*", "", lock)
    assert "index" not in "".join(line for line in lock.splitlines() if line.startswith("-"))


def test_the_venv_is_made_anew_when_the_lock_changes(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").mkdir()

    def would_do() -> str:  # `make -n` runs nothing, but the lines that call make itself
        command = ["make", "-n", "venv"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout

    assert "--require-hashes" in would_do()
    (tmp_path / ".venv" / "ready").write_bytes((tmp_path / "requirements.lock").read_bytes())
    assert "--require-hashes" not in would_do()
    (tmp_path / "requirements.lock").write_text("another", encoding="utf-8")
    assert "--require-hashes" in would_do()
