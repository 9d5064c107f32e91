"""`Preset`: everything that decides a classifier and its training, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from lstm_model.views import View
from lstm_model.vocabulary import Rules

CLASSES = 3  # positive, neutral, negative
Pooling = Literal["last", "max_mean"]


@dataclass(frozen=True)
class Readers:
    """Readers of another view than a title's words, see `views`.

    Attributes:
        readers: how many.
        min_count: a token seen less often is an unknown one.
        embedding_size: length of a token's vector.

    Raises:
        ValueError: a value of the wrong type or out of range; the message names it.
    """

    readers: int
    min_count: int
    embedding_size: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name = f"{type(self).__name__.lower()}.{field.name}"
            _integer(name, getattr(self, field.name), at_least=1)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """What `dataclasses.asdict` was given.

        Raises:
            ValueError: a field is unknown, missing or bad; the message names it.
        """
        where = f"preset: {cls.__name__.lower()}"
        if not isinstance(data, Mapping):
            raise ValueError(f"{where} must be an object or null, not {data!r}")
        _require_fields(cls, data, where)
        return cls(**data)


@dataclass(frozen=True)
class Pairs(Readers):
    """Readers of the title's pairs of characters."""


@dataclass(frozen=True)
class Contents(Readers):
    """Readers of the words of the article below the title.

    Attributes:
        characters: so much of its beginning is read. Whoever cuts it into words heeds it.
    """

    characters: int


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
        readers: LSTMs, or twos of them, that read the same words beside one another, each with a
            last layer of its own. Each learns for itself, but for the embedding, which they share;
            the classifier's logits are the mean of all readers'.
        pairs: further readers, of pairs of characters; None: there are none.
        contents: further readers, of the article; None: there are none, the title is all.
        dropout: share of the embedding's and of the pooling's values zeroed in training.
        adversarial: length of the step by which the vectors of a title's words, all together, and
            those of each other view, are moved to where the loss grows fastest; the title is learnt
            there a second time. 0: it is not.
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
    readers: int
    pairs: Pairs | None
    contents: Contents | None
    dropout: float
    adversarial: float
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
        for name in ("min_count", "embedding_size", "units", "readers", "batch_size", "epochs"):
            _integer(name, getattr(self, name), at_least=1)
        for name, kind in (("pairs", Pairs), ("contents", Contents)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"preset: {name} must be {kind.__name__} or None, not {value!r}")
            if value is not None and self.padded_length is not None:
                raise ValueError(
                    f"preset: {name} must be null where a padded_length cuts the words"
                )
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
        if not _is_number(self.adversarial) or not 0 <= self.adversarial < float("inf"):
            raise ValueError(f"preset: adversarial must be from 0 up, not {self.adversarial!r}")
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
        _require_fields(cls, data, "preset")
        pairs, contents = data["pairs"], data["contents"]
        others = {
            "pairs": None if pairs is None else Pairs.from_dict(pairs),
            "contents": None if contents is None else Contents.from_dict(contents),
        }
        return cls(**{**data, **others})


def _require_fields(cls: type[Any], data: Mapping[str, Any], where: str) -> None:
    names = {field.name for field in dataclasses.fields(cls)}
    if unknown := sorted(set(data) - names):
        raise ValueError(f"{where}: unknown field {unknown[0]!r}; there are {sorted(names)}")
    if missing := sorted(names - set(data)):
        raise ValueError(f"{where}: the field {missing[0]!r} is missing")


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


@dataclass(frozen=True)
class Reader:
    """One reader of a classifier, and the names of its layers.

    Attributes:
        view: what it reads.
        lstms: the one that reads forwards and, if there is one, the one that reads backwards.
        dense: the last layer.
    """

    view: View
    lstms: tuple[str, ...]
    dense: str


_PREFIXES: dict[View, str] = {"words": "", "pairs": "pair_", "contents": "content_"}
EMBEDDINGS: dict[View, str] = {view: f"{prefix}embedding" for view, prefix in _PREFIXES.items()}


def _beside_words(preset: Preset) -> dict[View, Readers]:
    """What is read beside the words, in the order of `VIEWS`."""
    found: dict[View, Readers] = {}
    if preset.pairs is not None:
        found["pairs"] = preset.pairs
    if preset.contents is not None:
        found["contents"] = preset.contents
    return found


def views(preset: Preset) -> tuple[View, ...]:
    """What the classifier reads, in the order of `VIEWS`."""
    return ("words", *_beside_words(preset))


def embedding_sizes(preset: Preset) -> list[int]:
    """Length of a vector, for each view."""
    return [preset.embedding_size, *(one.embedding_size for one in _beside_words(preset).values())]


def min_counts(preset: Preset) -> list[int]:
    """How often a token must be seen to be known, for each view."""
    return [preset.min_count, *(one.min_count for one in _beside_words(preset).values())]


def rules(preset: Preset) -> list[Rules]:
    """The text rules of each view's vocabulary. Pairs are taken as they are."""
    return ["verbatim" if view == "pairs" else preset.rules for view in views(preset)]


def readers(preset: Preset) -> list[Reader]:
    """The readers of the classifier; the names of a view's first one have no number."""
    directions = ("forward", "backward") if preset.bidirectional else ("forward",)
    counts: dict[View, int] = {"words": preset.readers}
    counts |= {view: one.readers for view, one in _beside_words(preset).items()}
    found = []
    for view, count in counts.items():
        for place in range(count):
            beginning, ending = _PREFIXES[view], f"_{place + 1}" if place else ""
            lstms = tuple(beginning + direction + ending for direction in directions)
            found.append(Reader(view, lstms, f"{beginning}dense{ending}"))
    return found


def weight_shapes(preset: Preset, *vocabulary_sizes: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of the classifier that `preset` describes, in its order.

    Args:
        vocabulary_sizes: of each view.
    """
    of_view = dict(zip(views(preset), embedding_sizes(preset), strict=True))
    shapes: dict[str, tuple[int, ...]] = {}
    for (view, size), words in zip(of_view.items(), vocabulary_sizes, strict=True):
        shapes[f"{EMBEDDINGS[view]}/embeddings"] = (words, size)
    for reader in readers(preset):
        for lstm in reader.lstms:
            for kind, rows in (("w", (of_view[reader.view],)), ("u", (preset.units,)), ("b", ())):
                for gate in "fioc":
                    shapes[f"{lstm}/{kind}{gate}"] = (*rows, preset.units)
        features = preset.units * len(reader.lstms) * (2 if preset.pooling == "max_mean" else 1)
        shapes[f"{reader.dense}/kernel"] = (features, CLASSES)
        shapes[f"{reader.dense}/bias"] = (CLASSES,)
    return shapes


_FAST = Preset(
    name="fast",
    rules="verbatim",
    padded_length=None,
    pretrained=True,
    min_count=2,
    embedding_size=128,
    units=64,
    bidirectional=True,
    pooling="max_mean",
    readers=1,
    pairs=None,
    contents=None,
    dropout=0.5,
    adversarial=1.0,
    label_smoothing=0.1,
    batch_size=32,
    epochs=8,
    learning_rate=2e-3,
    decay=True,
    patience=None,
    validation_split=None,
    keep_leaked_titles=False,
    seed=0,
)

_DEFAULT = dataclasses.replace(
    _FAST,
    name="default",
    readers=3,
    pairs=Pairs(readers=3, min_count=3, embedding_size=128),
)

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
        readers=1,
        pairs=None,
        contents=None,
        dropout=0.0,
        adversarial=0.0,
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
    "fast": _FAST,
    "default": _DEFAULT,
    "title-and-content": dataclasses.replace(
        _DEFAULT,
        name="title-and-content",
        contents=Contents(readers=2, min_count=2, embedding_size=128, characters=300),
    ),
}
