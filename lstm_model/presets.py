"""`Preset`: everything that decides a classifier and its training, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lstm_model.branch_config import (
    ArticleConfig,
    BigramConfig,
    is_number,
    require_fields,
    require_integer,
)
from lstm_model.inputs import InputName
from lstm_model.vocabulary import Rules

Pooling = Literal["last", "max_mean"]


@dataclass(frozen=True)
class TextInput:
    """One input of a classifier's branches; see `BigramConfig` for the numbers."""

    name: InputName
    rules: Rules
    min_count: int
    embedding_size: int
    branches: int


@dataclass(frozen=True)
class Preset:
    """A configuration; two trainings with the same one and the same data give the same weights.

    Attributes:
        name: for people; it is kept with the model.
        rules: the text rules of the vocabulary.
        padded_length: steps that every row is padded or cut to; None: rows are padded to the
            longest of their batch, and never cut.
        pretrained: the embeddings start from vectors that `word_vectors.learn_vectors` made of
            texts without labels, with the vocabulary of these texts.
        min_count: a word seen less often is an unknown word.
        embedding_size: length of a word's vector.
        units: length of the LSTM's state, per direction.
        bidirectional: a second LSTM reads the words from the last to the first.
        pooling: of the LSTM's outputs: `last`, or `max_mean`, the maximum and the mean over all
            steps, concatenated.
        readers: parallel branches that read the words, each with its own LSTMs and last layer.
            They share the embedding; the classifier's logits are the mean of all branches'.
        pairs: branches that read character bigrams, or None.
        contents: the linear path that reads the article, or None.
        dropout: share of the embedding's and of the pooling's values zeroed in training.
        adversarial: length of the step by which the vectors of a title, input by input, are moved
            to where the loss grows fastest, to train on the title a second time there; 0: no step.
        label_smoothing: share of a label's probability spread evenly over the classes in training.
        batch_size: rows a step.
        epochs: passes over the training data, at most.
        learning_rate: of `optimizer.LazyAdam`.
        decay: the learning rate falls in the second half of the epochs, in equal steps towards 0.
        patience: training ends after so many epochs without a better macro-F1 on dev, and the
            weights of the best epoch are kept; None: all epochs run and the last weights are kept.
        validation_split: share of the training rows, the last ones, that serves as dev instead of
            being trained on, as in Keras `fit`; None: dev is given.
        keep_leaked_titles: whether titles that are in dev or test too are trained on; if not, the
            caller of `train` leaves them out.
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
    pairs: BigramConfig | None
    contents: ArticleConfig | None
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
        for name, choices in (("rules", get_args(Rules)), ("pooling", get_args(Pooling))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"preset: {name} must be one of {choices}, not {getattr(self, name)!r}"
                )
        for name in ("min_count", "embedding_size", "units", "readers", "batch_size", "epochs"):
            require_integer(name, getattr(self, name), minimum=1)
        require_integer("seed", self.seed, minimum=0)
        for name in ("padded_length", "patience"):
            if getattr(self, name) is not None:
                require_integer(name, getattr(self, name), minimum=1)
        for config in (BigramConfig, ArticleConfig):
            value = getattr(self, config.FIELD)
            if value is not None and not isinstance(value, config):
                raise ValueError(
                    f"preset: {config.FIELD} must be {config.__name__} or None, not {value!r}"
                )
            if value is not None and self.padded_length is not None:
                raise ValueError(
                    f"preset: {config.FIELD} must be null where a padded_length cuts the words"
                )
        for name in ("pretrained", "bidirectional", "decay", "keep_leaked_titles"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"preset: {name} must be true or false")
        shares = {"dropout": self.dropout, "label_smoothing": self.label_smoothing}
        if self.validation_split is not None:
            shares["validation_split"] = self.validation_split
        for name, share in shares.items():
            if not is_number(share) or not 0 <= share < 1:
                raise ValueError(
                    f"preset: {name} must be a number from 0 to below 1, not {share!r}"
                )
        if not is_number(self.adversarial) or not 0 <= self.adversarial < float("inf"):
            raise ValueError(f"preset: adversarial must be from 0 up, not {self.adversarial!r}")
        if not is_number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"preset: learning_rate must be above 0, not {self.learning_rate!r}")

    @property
    def inputs(self) -> list[TextInput]:
        """What the branches read. Bigrams are taken as `char_bigrams` gives them."""
        inputs = [TextInput("words", self.rules, self.min_count, self.embedding_size, self.readers)]
        bigrams = self.pairs
        if bigrams is not None:
            sizes = (bigrams.min_count, bigrams.embedding_size, bigrams.readers)
            inputs.append(TextInput("pairs", "verbatim", *sizes))
        return inputs

    @property
    def input_names(self) -> list[InputName]:
        """The names of `inputs`."""
        return [text_input.name for text_input in self.inputs]

    @property
    def text_rules(self) -> dict[InputName, Rules]:
        """The rules of each vocabulary: of those of `inputs`, then that of the article."""
        rules = {text_input.name: text_input.rules for text_input in self.inputs}
        return rules if self.contents is None else {**rules, "contents": self.rules}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preset:
        """The preset that `to_dict` gave.

        Raises:
            ValueError: a field is unknown, missing or bad; the message names it.
        """
        require_fields(cls, data, "preset")
        configs = {
            config.FIELD: config.from_dict(data[config.FIELD])
            for config in (BigramConfig, ArticleConfig)
        }
        return cls(**{**data, **configs})


_FAST = Preset(
    name="fast",
    rules="normalised",
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
    pairs=BigramConfig(readers=1, min_count=3, embedding_size=128),
)

_BEST = dataclasses.replace(
    _DEFAULT,
    name="best",
    readers=3,
    pairs=BigramConfig(readers=3, min_count=3, embedding_size=128),
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
    "best": _BEST,
    # The numbers of `contents` were chosen by four folds of train, the weights by cross-entropy.
    "title-and-content": dataclasses.replace(
        _DEFAULT,
        name="title-and-content",
        contents=ArticleConfig(
            characters=1500, min_articles=3, c=8.0, network_weight=0.75, article_weight=0.5
        ),
    ),
}
