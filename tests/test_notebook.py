"""`docs/lstm_by_hand.ipynb` is committed as a full run left it, and runs from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/lstm_by_hand.ipynb"
MAX_BYTES = 300_000


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cells: list[nbformat.NotebookNode]) -> str:
    """All text of all outputs."""
    outputs = [output for cell in cells for output in cell.outputs]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def accuracy_on_dev(text: str, model: str) -> float:
    return float(re.findall(rf"^{model} +([\d.]+)$", text, re.MULTILINE)[-1])


def test_committed_notebook_has_the_outputs_of_a_full_run() -> None:
    cells = code_cells(NOTEBOOK)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert "EPOCHS = 20" in cells[0].source
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
    text = printed(cells)
    assert "vocabulary 18,188, longest row 44 words" in text
    assert "2,348,771" in text
    # Only the first word is read; a true LSTM reads them all.
    assert accuracy_on_dev(text, "FirstVersion") < 0.6
    assert accuracy_on_dev(text, "CustomLSTM") > 0.68


def test_committed_notebook_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text("utf-8")
    assert len(text) < MAX_BYTES
    assert not re.search(r"site-packages|/home/|/tmp/|\.venv", text)
    assert not [
        o for cell in code_cells(NOTEBOOK) for o in cell.outputs if o.get("name") == "stderr"
    ]


@pytest.mark.integration
def test_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    out = tmp_path / "short.ipynb"
    command = [sys.executable, "docs/run_notebook.py", "--epochs", "1", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    cells = code_cells(out)
    assert "vocabulary 18,188, longest row 44 words" in printed(cells)
    assert [cell.source for cell in cells] == [cell.source for cell in code_cells(NOTEBOOK)]
