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

from lstm_model.architecture import (
    BIAS,
    CLASSES,
    EMBEDDINGS,
    IDF,
    KERNEL,
    Branch,
    branches,
    model_inputs,
)
from lstm_model.inputs import CONTENT_COUNTS, ID_INPUTS, InputName
from lstm_model.presets import Preset
from lstm_model.row_stable import Floats

MODEL = "model.onnx"
OUTPUT = "probabilities"
OPSET, IR_VERSION = 17, 8  # ONNX 1.12 of 2022: runtimes that are a few years old read them
DETAILS = {"opset": OPSET, "ir_version": IR_VERSION}
ONNX_GATES = "iofc"  # the order that ONNX prescribes


def write(preset: Preset, weights: Mapping[str, Floats], path: Path) -> None:
    """Write the classifier of `preset` with these weights to `path`."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", length])
        for name, length in model_inputs(preset).items()
    ]
    outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", CLASSES])]
    nodes = _nodes(preset)
    used = {name for node in nodes for name in node.input}  # runtimes warn of unused constants
    arrays = _weights(preset, weights) | _constants(preset, weights)
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
    """The written model as a function from ids `(batch, time)` of each input to probabilities."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [graph_input.name for graph_input in session.get_inputs()]  # in the order of writing

    def predict(ids: Sequence[NDArray[np.int32]]) -> Floats:
        inputs = dict(zip(names, ids, strict=True))
        [probabilities] = session.run([OUTPUT], inputs)
        return np.asarray(probabilities, dtype=np.float32)

    return predict


def _weights(preset: Preset, weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """The weights by their names in the graph."""
    arrays = {  # (words, input)
        f"embeddings_{name}": weights[f"{EMBEDDINGS[name]}/embeddings"]
        for name in preset.input_names
    }
    for number, branch in enumerate(branches(preset)):
        of_branch = _branch_weights(branch, weights)
        arrays |= {f"{name}_{number}": array for name, array in of_branch.items()}
    if preset.contents is not None:
        arrays |= {"idf": weights[IDF], "article_kernel": weights[KERNEL]}
        arrays |= {"article_bias": weights[BIAS]}
        arrays["network_weight"] = np.array(preset.contents.network_weight, np.float32)
        arrays["article_weight"] = np.array(preset.contents.article_weight, np.float32)
    return arrays


def _branch_weights(branch: Branch, weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """As ONNX prescribes: all directions in one array, transposed."""

    def stacked(kind: str) -> Floats:  # (directions, 4*units, …)
        return np.stack(
            [
                np.concatenate([weights[f"{lstm}/{kind}{gate}"].T for gate in ONNX_GATES])
                for lstm in branch.lstms
            ]
        )

    b = stacked("b")  # (directions, 4*units)
    return {
        "w": stacked("w"),  # (directions, 4*units, input)
        "u": stacked("u"),  # (directions, 4*units, units)
        "b": np.concatenate([b, np.zeros_like(b)], axis=1),  # ONNX has two biases, and adds them
        "kernel": weights[f"{branch.dense}/kernel"],  # (features, classes)
        "bias": weights[f"{branch.dense}/bias"],  # (classes,)
    }


def _constants(preset: Preset, weights: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Axes, shapes and numbers of the graph."""
    return {
        "0": np.array(0, dtype=np.int32),
        "1": np.array(1, dtype=np.int32),
        "0.0": np.array(0, dtype=np.float32),
        "1.0": np.array(1, dtype=np.float32),
        "-inf": np.array(-np.inf, dtype=np.float32),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
        "axes_1_3": np.array([1, 3]),
        "features": np.array([0, len(weights["dense/kernel"])]),  # 0: unchanged
        "padded_length": np.array([preset.padded_length or 0]),
    }


class _Nodes(list[Any]):
    """The nodes of the graph, in the order of execution."""

    def add(self, operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        """Add a node; `inputs` and `outputs` are names with spaces between."""
        self.append(helper.make_node(operator, inputs.split(), outputs.split(), **attributes))


def _nodes(preset: Preset) -> list[Any]:
    nodes = _Nodes()
    for name in preset.input_names:
        _add_input(nodes, preset, name)
    all_branches = branches(preset)
    for number, branch in enumerate(all_branches):
        _add_branch(nodes, preset, branch.input, str(number))
    nodes.add("Mean", " ".join(f"logits_{n}" for n in range(len(all_branches))), "network")
    if preset.contents is not None:
        _add_linear_path(nodes)
    nodes.add("Softmax", "network" if preset.contents is None else "blended", OUTPUT, axis=-1)
    return nodes


def _add_input(nodes: _Nodes, preset: Preset, name: InputName) -> None:
    """The vectors of an input, the lengths of its rows, and its mask. `@` stands for its name."""

    def add(operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        nodes.add(operator, inputs.replace("@", name), outputs.replace("@", name), **attributes)

    cut = ID_INPUTS[name]
    if preset.padded_length is not None:
        cut = "cut"
        add("Slice", f"{ID_INPUTS[name]} axis_0 padded_length axis_1", cut)
    add("Transpose", cut, "steps_@", perm=[1, 0])  # (time, batch)
    add("Equal", "steps_@ 0", "padding_@")
    add("Not", "padding_@", "kept_@")
    add("Cast", "kept_@", "kept_1_@", to=TensorProto.INT32)
    add("ReduceSum", "kept_1_@ axis_0", "words_@", keepdims=0)  # (batch,)
    # Some runtimes reject rows of length 0. So such a row reads one step of padding, and its state
    # is replaced by zeros.
    add("Equal", "words_@ 0", "wordless_@")
    add("Unsqueeze", "wordless_@ axis_1", "without_words_@")  # (batch, 1)
    add("Max", "words_@ 1", "length_@")
    add("Gather", "embeddings_@ steps_@", "x_@", axis=0)  # (time, batch, input)
    if preset.pooling == "max_mean":
        add("Unsqueeze", "kept_@ axes_1_3", "kept_steps_@")  # (time, 1, batch, 1)
        add("Cast", "length_@", "float_length_@", to=TensorProto.FLOAT)
        add("Unsqueeze", "float_length_@ axis_1", "divisor_@")  # (batch, 1)


def _add_branch(nodes: _Nodes, preset: Preset, name: InputName, number: str) -> None:
    """The logits of a branch. `@` stands for its input, `#` for its number."""

    def add(operator: str, inputs: str, outputs: str, **attributes: Any) -> None:
        inputs = inputs.replace("@", name).replace("#", number)
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


def _add_linear_path(nodes: _Nodes) -> None:
    """The classifier's logits, from the network's and the words of the article: see `linear`."""
    nodes.add("Max", f"{CONTENT_COUNTS} 1", "at_least_1")  # padding has the count 0, and the idf 0
    nodes.add("Cast", "at_least_1", "counts", to=TensorProto.FLOAT)
    nodes.add("Log", "counts", "log_counts")
    nodes.add("Add", "log_counts 1.0", "frequencies")
    nodes.add("Gather", f"idf {ID_INPUTS['contents']}", "idf_of_words", axis=0)
    nodes.add("Mul", "frequencies idf_of_words", "features_of_words")  # (batch, words)
    nodes.add("ReduceL2", "features_of_words", "size", axes=[1])  # (batch, 1)
    nodes.add("Equal", "size 0.0", "without_article")
    nodes.add("Where", "without_article 1.0 size", "size_or_1")
    nodes.add("Div", "features_of_words size_or_1", "normalised")
    nodes.add("Gather", f"article_kernel {ID_INPUTS['contents']}", "kernel_of_words", axis=0)
    nodes.add("Unsqueeze", "normalised axis_1", "normalised_row")  # (batch, 1, words)
    nodes.add("MatMul", "normalised_row kernel_of_words", "products")  # (batch, 1, classes)
    nodes.add("Squeeze", "products axis_1", "product")
    nodes.add("Add", "product article_bias", "linear")
    nodes.add("Mul", "network network_weight", "network_part")
    nodes.add("Mul", "linear article_weight", "article_part")
    nodes.add("Add", "network_part article_part", "with_article")
    nodes.add("Where", "without_article network with_article", "blended")
