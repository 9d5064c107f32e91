"""An exported classifier, run by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime


def onnx_classifier(path: Path) -> Callable[[Sequence[Any]], Any]:
    """The function from the ids `(batch, time)` of each input to probabilities.

    It uses as many threads as `OMP_NUM_THREADS` says, which `Peer` sets.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [graph_input.name for graph_input in session.get_inputs()]
    return lambda ids: session.run(None, dict(zip(names, ids, strict=True)))[0]
