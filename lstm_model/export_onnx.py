"""The classifier as an ONNX graph, written node by node, and run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lstm_model.presets import CLASSES, Preset, directions

MODEL = "model.onnx"
INPUT, OUTPUT = "ids", "probabilities"
OPSET, IR_VERSION = 17, 8  # ONNX 1.12 of 2022: runtimes that are a few years old read them
DETAILS = {"opset": OPSET, "ir_version": IR_VERSION}

Floats = NDArray[np.float32]


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights to `path`."""
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.INT32, ["batch", "time"])]
    outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])]
    nodes = _nodes(preset)
    used = {name for node in nodes for name in node.input}  # runtimes warn of what is not
    arrays = _weights(preset, weights) | _numbers(preset, weights)
    constants = [numpy_helper.from_array(arrays[name], name) for name in arrays if name in used]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, constants)
    model = helper.make_model(
        graph,
        producer_name="lstm_model",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(path))


def load(path: Path) -> Callable[[NDArray[np.int32]], Floats]:
    """What `write` wrote, as a function from ids `(batch, time)` to probabilities."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def predict(ids: NDArray[np.int32]) -> Floats:
        [probabilities] = session.run([OUTPUT], {INPUT: ids})
        return np.asarray(probabilities, dtype=np.float32)

    return predict


def _weights(preset: Preset, weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """The weights as ONNX wants them: all directions in one array, transposed, gates i, o, f, c."""

    def joined(kind: str) -> Floats:  # (directions, 4*units, …)
        names = directions(preset)
        gates = [[weights[f"{name}/{kind}{gate}"].T for gate in "iofc"] for name in names]
        return np.stack([np.concatenate(one) for one in gates])

    b = joined("b")  # (directions, 4*units)
    return {
        "embeddings": weights["embedding/embeddings"],  # (words, input)
        "w": joined("w"),  # (directions, 4*units, input)
        "u": joined("u"),  # (directions, 4*units, units)
        "b": np.concatenate([b, np.zeros_like(b)], axis=1),  # ONNX has two biases, and adds them
        "kernel": weights["dense/kernel"],  # (features, classes)
        "bias": weights["dense/bias"],  # (classes,)
    }


def _numbers(preset: Preset, weights: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """What the graph needs of axes, shapes and plain numbers."""
    return {
        "0": np.array(0, dtype=np.int32),
        "1": np.array(1, dtype=np.int32),
        "0.0": np.array(0, dtype=np.float32),
        "-inf": np.array(-np.inf, dtype=np.float32),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
        "axes_1_3": np.array([1, 3]),
        "features": np.array([0, len(weights["dense/kernel"])]),  # 0: as many as there are
        "padded_length": np.array([preset.padded_length or 0]),
    }


def _nodes(preset: Preset) -> list[Any]:
    nodes = []

    def add(operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(operator, inputs.split(), outputs.split(), **attributes))

    cut = INPUT
    if preset.padded_length is not None:
        cut = "cut"
        add("Slice", f"{INPUT} axis_0 padded_length axis_1", cut)
    add("Transpose", cut, "steps", perm=[1, 0])  # (time, batch)
    add("Equal", "steps 0", "padding")
    add("Not", "padding", "kept")
    add("Cast", "kept", "kept_1", to=TensorProto.INT32)
    add("ReduceSum", "kept_1 axis_0", "words", keepdims=0)  # (batch,)
    # Runtimes do not agree on what a row of length 0 is: some refuse it. So such a row reads one
    # step of padding, and its state is replaced by zeros below.
    add("Equal", "words 0", "wordless")
    add("Unsqueeze", "wordless axis_1", "without_words")  # (batch, 1)
    add("Max", "words 1", "length")

    add("Gather", "embeddings steps", "x", axis=0)  # (time, batch, input)
    add(
        "LSTM",
        "x w u b length",
        "y h",  # (time, directions, batch, units) and (directions, batch, units)
        hidden_size=preset.units,
        direction="bidirectional" if preset.bidirectional else "forward",
    )
    states = "h"
    if preset.pooling == "max_mean":
        states = "states"
        add("Unsqueeze", "kept axes_1_3", "kept_steps")  # (time, 1, batch, 1)
        add("Where", "kept_steps y -inf", "y_or_lowest")
        add("ReduceMax", "y_or_lowest", "maximum", axes=[0], keepdims=0)
        add("Where", "kept_steps y 0.0", "y_or_zero")
        add("ReduceSum", "y_or_zero axis_0", "total", keepdims=0)
        add("Cast", "length", "float_length", to=TensorProto.FLOAT)
        add("Unsqueeze", "float_length axis_1", "divisor")  # (batch, 1)
        add("Div", "total divisor", "mean")
        add("Concat", "maximum mean", states, axis=0)  # (2*directions, batch, units)
    add("Where", f"without_words 0.0 {states}", "read")
    add("Transpose", "read", "by_row", perm=[1, 0, 2])  # (batch, …, units)
    add("Reshape", "by_row features", "pooled")  # (batch, features)
    add("Gemm", "pooled kernel bias", "logits")  # (batch, classes)
    add("Softmax", "logits", OUTPUT, axis=-1)
    return nodes
