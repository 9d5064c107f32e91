"""Settings of what a preset reads in addition to the words of titles, and checks of fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class InputConfig:
    """Settings of what a classifier reads in addition to the words of the title."""

    FIELD: ClassVar[str]  # of `Preset`

    @classmethod
    def from_dict(cls, data: Any) -> Self | None:
        """The settings that `dataclasses.asdict` was given; None for None.

        Raises:
            ValueError: a field is unknown, missing or bad; the message names it.
        """
        if data is None:
            return None
        where = f"preset: {cls.FIELD}"
        if not isinstance(data, Mapping):
            raise ValueError(f"{where} must be an object or null, not {data!r}")
        require_fields(cls, data, where)
        return cls(**data)


@dataclass(frozen=True)
class BigramConfig(InputConfig):
    """Branches that read the character bigrams of the title.

    Attributes:
        readers: number of branches.
        min_count: a bigram seen less often is an unknown one.
        embedding_size: length of a bigram's vector.

    Raises:
        ValueError: a value of the wrong type or out of range; the message names it.
    """

    FIELD = "pairs"

    readers: int
    min_count: int
    embedding_size: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            require_integer(f"{self.FIELD}.{field.name}", getattr(self, field.name), minimum=1)


@dataclass(frozen=True)
class ArticleConfig(InputConfig):
    """The linear path, which reads the words of the article below the title: see `linear`.

    Attributes:
        characters: how much of its beginning is read. Whoever segments it cuts it there.
        min_articles: a word that fewer articles have is ignored.
        c: inverse of the strength of the regularisation.
        network_weight: of the network's logits where there is an article; elsewhere it is 1.
        article_weight: of the linear path's logits.

    Raises:
        ValueError: a value of the wrong type or out of range; the message names it.
    """

    FIELD = "contents"

    characters: int
    min_articles: int
    c: float
    network_weight: float
    article_weight: float

    def __post_init__(self) -> None:
        for name in ("characters", "min_articles"):
            require_integer(f"{self.FIELD}.{name}", getattr(self, name), minimum=1)
        for name in ("c", "network_weight", "article_weight"):
            value = getattr(self, name)
            if not is_number(value) or not 0 < value < float("inf"):
                raise ValueError(f"preset: {self.FIELD}.{name} must be above 0, not {value!r}")


def require_fields(cls: type[Any], data: Mapping[str, Any], where: str) -> None:
    """Raise ValueError unless `data` has exactly the fields of the dataclass `cls`."""
    names = {field.name for field in dataclasses.fields(cls)}
    if unknown := sorted(set(data) - names):
        raise ValueError(f"{where}: unknown field {unknown[0]!r}; there are {sorted(names)}")
    if missing := sorted(names - set(data)):
        raise ValueError(f"{where}: the field {missing[0]!r} is missing")


def is_number(value: object) -> bool:
    """Whether it is an integer or a float, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def require_integer(name: str, value: object, minimum: int) -> None:
    """Raise ValueError, naming the field, unless `value` is such an integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"preset: {name} must be an integer from {minimum} up, not {value!r}")
