"""`Preset`: everything that decides a classifier and its training, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lstm_model.vocabulary import Rules

CLASSES = 3  # positive, neutral, negative
Pooling = Literal["last", "max_mean"]


@dataclass(frozen=True)
class Preset:
    """A configuration; two trainings with the same one and the same data give the same weights.

    Attributes:
        name: for people; it is kept with the model.
        rules: the text rules of the vocabulary.
        padded_length: steps that every row is padded or cut to; None: rows are padded to the
            longest of their batch, and never cut.
        pretrained: the embedding starts from vectors that `word_vectors.learn_vectors` made of
            texts without labels, titles and contents of the training rows; the vocabulary is that
            of these texts. Whoever hands the training data over hands them over too.
        min_count: a word seen less often is an unknown word.
        embedding_size: length of a word's vector.
        units: length of the LSTM's state, per direction.
        bidirectional: a second LSTM reads the words from the last to the first.
        pooling: `last`: the LSTM's last output stands for the title; `max_mean`: maximum and mean
            over all its outputs, side by side.
        dropout: share of the embedding's and of the pooling's values zeroed in training.
        label_smoothing: share of a label's probability spread evenly over the classes in training.
        batch_size: rows a step.
        epochs: passes over the training data, at most.
        learning_rate: of `optimizer.LazyAdam`.
        decay: the learning rate falls in the second half of the epochs, in equal steps towards 0.
        patience: training ends after so many epochs without a better macro-F1 on dev, and the
            weights of the best epoch are kept; None: all epochs run and the last weights are kept.
        validation_split: share of the training rows, the last ones in their order, that is not
            trained on but serves as dev, as in Keras `fit`; None: dev is given.
        keep_leaked_titles: train also on titles that stand in dev or test. Whoever hands the
            training data over leaves them out where this is false.
        seed: of the initial weights, the order of the rows and the dropout.

    Raises:
        ValueError: a value of the wrong type or out of range; the message names it.
    """

    name: str
    rules: Rules
    padded_length: int | None
    pretrained: bool
    min_count: int
    embedding_size: int
    units: int
    bidirectional: bool
    pooling: Pooling
    dropout: float
    label_smoothing: float
    batch_size: int
    epochs: int
    learning_rate: float
    decay: bool
    patience: int | None
    validation_split: float | None
    keep_leaked_titles: bool
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"preset: name must be a string, not {self.name!r}")
        _one_of("rules", self.rules, get_args(Rules))
        _one_of("pooling", self.pooling, get_args(Pooling))
        for name in ("min_count", "embedding_size", "units", "batch_size", "epochs"):
            _integer(name, getattr(self, name), at_least=1)
        _integer("seed", self.seed, at_least=0)
        for name in ("padded_length", "patience"):
            if getattr(self, name) is not None:
                _integer(name, getattr(self, name), at_least=1)
        for name in ("pretrained", "bidirectional", "decay", "keep_leaked_titles"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"preset: {name} must be true or false")
        for name in ("dropout", "label_smoothing"):
            _share(name, getattr(self, name))
        if self.validation_split is not None:
            _share("validation_split", self.validation_split)
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"preset: learning_rate must be above 0, not {self.learning_rate!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preset:
        """The preset that `to_dict` gave.

        Raises:
            ValueError: a field is unknown, missing or bad; the message names it.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(data) - names):
            raise ValueError(f"preset: unknown field {unknown[0]!r}; there are {sorted(names)}")
        if missing := sorted(names - set(data)):
            raise ValueError(f"preset: the field {missing[0]!r} is missing")
        return cls(**data)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _integer(name: str, value: object, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"preset: {name} must be an integer from {at_least} up, not {value!r}")


def _share(name: str, value: Any) -> None:
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"preset: {name} must be a number from 0 to below 1, not {value!r}")


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"preset: {name} must be one of {choices}, not {value!r}")


def directions(preset: Preset) -> tuple[str, ...]:
    """Names of the LSTMs."""
    return ("forward", "backward") if preset.bidirectional else ("forward",)


def weight_shapes(preset: Preset, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of the classifier that `preset` describes, in its order."""
    shapes: dict[str, tuple[int, ...]] = {
        "embedding/embeddings": (vocabulary_size, preset.embedding_size)
    }
    for direction in directions(preset):
        for kind, rows in (("w", (preset.embedding_size,)), ("u", (preset.units,)), ("b", ())):
            for gate in "fioc":
                shapes[f"{direction}/{kind}{gate}"] = (*rows, preset.units)
    features = preset.units * len(directions(preset)) * (2 if preset.pooling == "max_mean" else 1)
    shapes["dense/kernel"] = (features, CLASSES)
    shapes["dense/bias"] = (CLASSES,)
    return shapes


PRESETS: dict[str, Preset] = {
    "notebook": Preset(
        name="notebook",
        rules="text_vectorization",
        padded_length=44,
        pretrained=False,
        min_count=1,
        embedding_size=128,
        units=32,
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        label_smoothing=0.0,
        batch_size=32,
        epochs=20,
        learning_rate=1e-3,
        decay=False,
        patience=None,
        validation_split=0.1,
        keep_leaked_titles=True,
        seed=0,
    ),
    "default": Preset(
        name="default",
        rules="verbatim",
        padded_length=None,
        pretrained=True,
        min_count=2,
        embedding_size=128,
        units=64,
        bidirectional=True,
        pooling="max_mean",
        dropout=0.5,
        label_smoothing=0.1,
        batch_size=32,
        epochs=8,
        learning_rate=1e-3,
        decay=True,
        patience=None,
        validation_split=None,
        keep_leaked_titles=False,
        seed=0,
    ),
}
