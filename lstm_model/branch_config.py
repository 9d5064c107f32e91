"""Configuration of the branches of a preset that read more than words, and checks of fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class BranchConfig:
    """Branches that read another input than the words of the title.

    Attributes:
        readers: number of branches.
        min_count: a token seen less often is an unknown one.
        embedding_size: length of a token's vector.

    Raises:
        ValueError: a value of the wrong type or out of range; the message names it.
    """

    FIELD: ClassVar[str]  # of `Preset`

    readers: int
    min_count: int
    embedding_size: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            require_integer(f"{self.FIELD}.{field.name}", getattr(self, field.name), minimum=1)

    @classmethod
    def from_dict(cls, data: Any) -> Self | None:
        """The branches that `dataclasses.asdict` was given; None for None.

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
class BigramConfig(BranchConfig):
    """Branches that read the character bigrams of the title."""

    FIELD = "pairs"


@dataclass(frozen=True)
class ArticleConfig(BranchConfig):
    """Branches that read the words of the article below the title.

    Attributes:
        characters: how much of its beginning is read. Whoever segments it cuts it there.
    """

    FIELD = "contents"

    characters: int


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
