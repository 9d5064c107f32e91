"""Every benchmark runs as its docstring and the documentation call it, and fills its tables."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from headlines.corpus.ingest import ingest
from headlines.models import champion
from headlines.storage.data_root import DataRoot
from lstm_model.kernel import KERNELS
from tests import factories

ROOT = Path(__file__).parents[2]
PARTS = {
    *("__init__", "clusters", "inews", "keras_peer", "measure", "onnx_peer", "processes"),
    *("score_alone", "score_peers"),
}
NAMES = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - PARTS)
DOCUMENTS = [ROOT / "README.md", ROOT / "lstm_model/README.md", *sorted(ROOT.glob("docs/*.md"))]

FIT = "R² of a straight line"  # of times that other processes may disturb


@dataclass(frozen=True)
class Small:
    """A run that takes seconds.

    Attributes:
        options: of the command.
        rows: of each table that it prints.
        may_be_zero: columns with a figure that so small a run may round to zero.
    """

    options: str
    rows: list[int]
    may_be_zero: Sequence[str] = ()


RUNS = {
    "accuracy": Small(
        "--seeds 1 --rounds 1 --corpus news --only notebook 'fast: + adversarial step'", [3]
    ),
    "faults": Small("--seeds 1 --rows 100", [7]),
    "lstm": Small("--rounds 1 --seeds 1 --threads 1 --rows 300", [3, 6, 2, 2], [FIT]),
    "review": Small("--rows 300 --start 60 --labels 20 --seeds 1 --folds 2", [3]),
    "scale": Small(
        "--rounds 1 --workers 1 --rows 200 --chunk-rows 50 100 --growth 100 200",
        [3, 2, 2],
        ["of it for scoring"],
    ),
    "score": Small(
        "--rounds 1 --rows 10",
        [5, 4, 2, 3],
        [
            *("headlines per second", "times as fast as the notebook's way"),
            *("as the fastest peer", "µs per headline"),
        ],
    ),
    # Its first table has two rows of this project, if there is more than one kernel.
    "scorer": Small(
        "--rounds 1 --threads 1 --headlines 50", [9 + (len(KERNELS) > 1), 4, 3, 3], [FIT]
    ),
    "small_batches": Small("--rounds 1 --batches 3", [2]),
    "stages": Small("--rounds 1 --rows 300", [11]),
    "segment": Small("--rounds 1 --headlines 200 --bodies 20", [6, 6, 4]),
}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with a small corpus and a small champion."""
    directory = tmp_path_factory.mktemp("benchmarks")
    root = DataRoot.open(directory / "data")
    ingest(root, "news", str(factories.write_corpus(directory / "news.csv")))
    factories.publish_model(root, "small")
    champion.promote(root, "small", "benchmark")
    return root


def run(root: DataRoot, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program of the repository on a data root."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "HEADLINES_DATA": root.url},
        capture_output=True,
        text=True,
    )


def tables(printed: str) -> list[list[list[str]]]:
    """The Markdown tables of a text, each with its columns first, then its rows."""
    parsed: list[list[list[str]]] = []
    for block in printed.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("| ")]
        if lines:
            columns, _, *rows = [line.removeprefix("| ").split(" |")[:-1] for line in lines]
            parsed.append([[cell.strip() for cell in row] for row in (columns, *rows)])
    return parsed


def check_figures(column: str, cell: str, may_be_zero: Sequence[str]) -> None:
    """Assert that a cell has figures, all of them finite and above zero, or is left empty."""
    if cell in ("", "–"):
        return
    assert not re.search(r"\b(nan|inf)\b", cell, re.IGNORECASE), (column, cell)
    figures = [float(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", cell)]
    assert figures, (column, cell)
    assert column in may_be_zero or min(figures) > 0, (column, cell)


@pytest.mark.integration
@pytest.mark.parametrize("name", NAMES)
def test_a_small_run_fills_its_tables(name: str, data_root: DataRoot) -> None:
    small = RUNS[name]
    ended = run(data_root, "-m", f"benchmarks.{name}", *shlex.split(small.options))
    assert ended.returncode == 0, ended.stderr[-4000:]
    printed = ended.stdout
    assert "DIFFERENT" not in printed  # the runners of `scale` give the same bytes
    by_table = tables(printed)
    assert [len(rows) for _, *rows in by_table] == small.rows, printed
    for columns, *rows in by_table:
        for row in rows:
            assert len(row) == len(columns)
            assert any(row[1:]), row
            for column, cell in zip(columns[1:], row[1:], strict=True):
                check_figures(column, cell, small.may_be_zero)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("scale", "there is no model to score with"),
        ("score", "there is no model to score with"),
        ("accuracy --corpus news", "there is no corpus 'news'"),
    ],
)
def test_what_a_benchmark_lacks_is_said_in_a_line(
    command: str, problem: str, tmp_path: Path
) -> None:
    ended = run(DataRoot.open(tmp_path), "-m", *f"benchmarks.{command}".split())
    assert ended.returncode == 2
    assert problem in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.integration
def test_the_gates_of_a_model_are_drawn(data_root: DataRoot, tmp_path: Path) -> None:
    bundle = Path(data_root.url, data_root.model("small"))
    picture = tmp_path / "gates.svg"
    ended = run(data_root, "docs/gates.py", str(bundle), "北京股市大涨", "--out", str(picture))
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[-1] for line in ended.stdout.splitlines()[2:]] == ["北京", "股市", "大涨"]
    assert picture.read_text("utf-8").count("大") > 1


def options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", text))


@pytest.mark.parametrize("name", NAMES)
def test_the_usage_of_a_benchmark_names_its_options(name: str) -> None:
    source = (ROOT / "benchmarks" / f"{name}.py").read_text("utf-8")
    usage = re.search(rf"    python -m benchmarks\.{name}.*?\n\n", source, re.DOTALL)
    assert usage
    assert options(usage[0]) == options(" ".join(re.findall(r'add_argument\(\s*"([^"]+)"', source)))


def test_documents_name_benchmarks_and_options_that_exist() -> None:
    commands = [
        command
        for document in DOCUMENTS
        for command in re.findall(r"`python -m benchmarks\.([^`]+)`", document.read_text("utf-8"))
    ]
    assert {command.split()[0] for command in commands} == set(NAMES)
    for command in commands:
        source = (ROOT / "benchmarks" / f"{command.split()[0]}.py").read_text("utf-8")
        assert all(f'"{option}"' in source for option in options(command)), command
