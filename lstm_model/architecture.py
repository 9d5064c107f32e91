"""The layers of a classifier by name, and the names and shapes of its weights."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_model.inputs import CONTENT_COUNTS, ID_INPUTS, InputName
from lstm_model.presets import Preset

CLASSES = 3  # positive, neutral, negative
# Forget, input and output gate, and candidate: the order of an LSTM's weights, here and in bundles.
GATES = ("f", "i", "o", "c")

IDF, KERNEL, BIAS = "linear/idf", "linear/kernel", "linear/bias"  # of the path that reads articles

_PREFIXES: dict[InputName, str] = {"words": "", "pairs": "pair_"}
EMBEDDINGS: dict[InputName, str] = {name: f"{at}embedding" for name, at in _PREFIXES.items()}


@dataclass(frozen=True)
class Branch:
    """One branch of a classifier, by the names of its layers.

    Attributes:
        input: what it reads.
        lstms: the one that reads forwards and, if there is one, the one that reads backwards.
        dense: the last layer.
    """

    input: InputName
    lstms: tuple[str, ...]
    dense: str


def branches(preset: Preset) -> list[Branch]:
    """The branches of the classifier; the names of an input's first one have no number."""
    directions = ("forward", "backward") if preset.bidirectional else ("forward",)
    result = []
    for text_input in preset.inputs:
        prefix = _PREFIXES[text_input.name]
        for number in range(1, text_input.branches + 1):
            suffix = f"_{number}" if number > 1 else ""
            lstms = tuple(f"{prefix}{direction}{suffix}" for direction in directions)
            result.append(Branch(text_input.name, lstms, f"{prefix}dense{suffix}"))
    return result


def model_inputs(preset: Preset) -> dict[str, InputName]:
    """The inputs of a model that takes ids, in their order, and what each is of."""
    inputs = {ID_INPUTS[name]: name for name in preset.text_rules}
    return inputs if preset.contents is None else {**inputs, CONTENT_COUNTS: "contents"}


def weight_shapes(preset: Preset, *vocabulary_sizes: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of the classifier, in its order.

    Args:
        preset: the classifier.
        vocabulary_sizes: of each of `Preset.text_rules`.
    """
    shapes = network_shapes(preset, *vocabulary_sizes[: len(preset.inputs)])
    if preset.contents is not None:
        words = vocabulary_sizes[-1]
        shapes |= {IDF: (words,), KERNEL: (words, CLASSES), BIAS: (CLASSES,)}
    return shapes


def network_shapes(preset: Preset, *vocabulary_sizes: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of the weights of the branches, given the size of each input's vocabulary."""
    shapes: dict[str, tuple[int, ...]] = {}
    embedding_sizes: dict[InputName, int] = {}
    for text_input, words in zip(preset.inputs, vocabulary_sizes, strict=True):
        embedding_sizes[text_input.name] = text_input.embedding_size
        shapes[f"{EMBEDDINGS[text_input.name]}/embeddings"] = (words, text_input.embedding_size)
    units = preset.units
    for branch in branches(preset):
        for lstm in branch.lstms:
            rows = {"w": (embedding_sizes[branch.input],), "u": (units,), "b": ()}
            for kind, leading in rows.items():
                shapes |= {f"{lstm}/{kind}{gate}": (*leading, units) for gate in GATES}
        features = units * len(branch.lstms) * (2 if preset.pooling == "max_mean" else 1)
        shapes[f"{branch.dense}/kernel"] = (features, CLASSES)
        shapes[f"{branch.dense}/bias"] = (CLASSES,)
    return shapes
