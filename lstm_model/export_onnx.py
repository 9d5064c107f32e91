"""The classifier as an ONNX graph, written node by node, and run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lstm_model.presets import CLASSES, EMBEDDINGS, Preset, Reader, readers, views
from lstm_model.views import INPUTS, View

MODEL = "model.onnx"
OUTPUT = "probabilities"
OPSET, IR_VERSION = 17, 8  # ONNX 1.12 of 2022: runtimes that are a few years old read them
DETAILS = {"opset": OPSET, "ir_version": IR_VERSION}

Floats = NDArray[np.float32]


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights to `path`."""
    inputs = [
        helper.make_tensor_value_info(INPUTS[view], TensorProto.INT32, ["batch", view])
        for view in views(preset)
    ]
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


def load(path: Path) -> Callable[[Sequence[NDArray[np.int32]]], Floats]:
    """What `write` wrote, as a function from ids `(batch, time)` of each view to probabilities."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]  # in the order in which they were written

    def predict(ids: Sequence[NDArray[np.int32]]) -> Floats:
        inputs = dict(zip(names, ids, strict=True))
        [probabilities] = session.run([OUTPUT], inputs)
        return np.asarray(probabilities, dtype=np.float32)

    return predict


def _weights(preset: Preset, weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """The weights by the names that the graph has for them."""
    found = {  # (words, input)
        f"embeddings_{view}": weights[f"{EMBEDDINGS[view]}/embeddings"] for view in views(preset)
    }
    for number, reader in enumerate(readers(preset)):
        arrays = _weights_of_reader(reader, weights)
        found |= {f"{name}_{number}": array for name, array in arrays.items()}
    return found


def _weights_of_reader(reader: Reader, weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """As ONNX wants them: all directions in one array, transposed, gates i, o, f, c."""

    def joined(kind: str) -> Floats:  # (directions, 4*units, …)
        gates = [[weights[f"{name}/{kind}{gate}"].T for gate in "iofc"] for name in reader.lstms]
        return np.stack([np.concatenate(one) for one in gates])

    b = joined("b")  # (directions, 4*units)
    return {
        "w": joined("w"),  # (directions, 4*units, input)
        "u": joined("u"),  # (directions, 4*units, units)
        "b": np.concatenate([b, np.zeros_like(b)], axis=1),  # ONNX has two biases, and adds them
        "kernel": weights[f"{reader.dense}/kernel"],  # (features, classes)
        "bias": weights[f"{reader.dense}/bias"],  # (classes,)
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


class _Nodes(list[Any]):
    """The nodes of the graph, in the order of their work."""

    def add(self, operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        """Add a node; `inputs` and `outputs` are names with spaces between."""
        self.append(helper.make_node(operator, inputs.split(), outputs.split(), **attributes))


def _nodes(preset: Preset) -> list[Any]:
    nodes = _Nodes()
    for view in views(preset):
        _add_view(nodes, preset, view)
    for number, reader in enumerate(readers(preset)):
        _add_reader(nodes, preset, reader.view, str(number))
    nodes.add("Mean", " ".join(f"logits_{n}" for n in range(len(readers(preset)))), "logits")
    nodes.add("Softmax", "logits", OUTPUT, axis=-1)
    return nodes


def _add_view(nodes: _Nodes, preset: Preset, view: View) -> None:
    """The vectors of a view, how long its rows are, and which steps are kept."""

    def add(operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        nodes.add(operator, inputs.replace("@", view), outputs.replace("@", view), **attributes)

    cut = INPUTS[view]
    if preset.padded_length is not None:
        cut = "cut"
        add("Slice", f"{INPUTS[view]} axis_0 padded_length axis_1", cut)
    add("Transpose", cut, "steps_@", perm=[1, 0])  # (time, batch)
    add("Equal", "steps_@ 0", "padding_@")
    add("Not", "padding_@", "kept_@")
    add("Cast", "kept_@", "kept_1_@", to=TensorProto.INT32)
    add("ReduceSum", "kept_1_@ axis_0", "words_@", keepdims=0)  # (batch,)
    # Runtimes do not agree on what a row of length 0 is: some refuse it. So such a row reads one
    # step of padding, and its state is replaced by zeros.
    add("Equal", "words_@ 0", "wordless_@")
    add("Unsqueeze", "wordless_@ axis_1", "without_words_@")  # (batch, 1)
    add("Max", "words_@ 1", "length_@")
    add("Gather", "embeddings_@ steps_@", "x_@", axis=0)  # (time, batch, input)
    if preset.pooling == "max_mean":
        add("Unsqueeze", "kept_@ axes_1_3", "kept_steps_@")  # (time, 1, batch, 1)
        add("Cast", "length_@", "float_length_@", to=TensorProto.FLOAT)
        add("Unsqueeze", "float_length_@ axis_1", "divisor_@")  # (batch, 1)


def _add_reader(nodes: _Nodes, preset: Preset, view: View, number: str) -> None:
    """The logits of a reader."""

    def add(operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        inputs = inputs.replace("@", view).replace("#", number)
        nodes.add(operator, inputs, outputs.replace("#", number), **attributes)

    add(
        "LSTM",
        "x_@ w_# u_# b_# length_@",
        "y_# h_#",  # (time, directions, batch, units) and (directions, batch, units)
        hidden_size=preset.units,
        direction="bidirectional" if preset.bidirectional else "forward",
    )
    states = "h_#"
    if preset.pooling == "max_mean":
        states = "states_#"
        add("Where", "kept_steps_@ y_# -inf", "y_or_lowest_#")
        add("ReduceMax", "y_or_lowest_#", "maximum_#", axes=[0], keepdims=0)
        add("Where", "kept_steps_@ y_# 0.0", "y_or_zero_#")
        add("ReduceSum", "y_or_zero_# axis_0", "total_#", keepdims=0)
        add("Div", "total_# divisor_@", "mean_#")
        add("Concat", "maximum_# mean_#", states, axis=0)  # (2*directions, batch, units)
    add("Where", f"without_words_@ 0.0 {states}", "read_#")
    add("Transpose", "read_#", "by_row_#", perm=[1, 0, 2])  # (batch, …, units)
    add("Reshape", "by_row_# features", "pooled_#")  # (batch, features)
    add("Gemm", "pooled_# kernel_# bias_#", "logits_#")  # (batch, classes)
