"""Runs `lstm_by_hand.ipynb` from top to bottom and keeps its outputs.

    python docs/run_notebook.py [--epochs 20] [--out docs/lstm_by_hand.ipynb]

What TensorFlow and Keras write to standard error is left out: it names paths of the machine.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("lstm_by_hand.ipynb")


def run(notebook: Any, epochs: int) -> None:
    """Run all cells in a new kernel, with trainings of `epochs`, and fill in their outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    (parameters,) = (
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())
    )
    source = parameters.source
    parameters.source = re.sub(r"EPOCHS = \d+", f"EPOCHS = {epochs}", source)
    NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    ).execute()
    parameters.source = source
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20, help="of each training (default: 20)")
    parser.add_argument("--out", type=Path, default=NOTEBOOK, help="the file that is written")
    options = parser.parse_args()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run(notebook, options.epochs)
    nbformat.write(notebook, options.out)


if __name__ == "__main__":
    main()
