"""Texts that a caller gives, as a list: of a list, a Series, an array or anything iterable."""

from collections.abc import Iterable, Mapping
from typing import Any

from headlines.errors import InputError


def text_list(texts: Iterable[Any], name: str) -> list[str]:
    """The texts as a list.

    Args:
        texts: see `item_list`.
        name: of one of them in messages, such as `title`.

    Raises:
        InputError: an item is not text, such as NaN; the message has its position, from 0.
        TypeError: see `item_list`.
    """
    items = item_list(texts, name)
    for position, item in enumerate(items):
        if not isinstance(item, str):
            raise InputError(
                f"{item!r:.40} is not text", f"{name} {position}", "give text, or leave it out"
            )
    return items


def item_list(items: Iterable[Any], name: str) -> list[Any]:
    """The items of a list, Series, Index, array or another iterable, of any type.

    Raises:
        TypeError: it is one text, whose characters would each be taken for an item; or a table or
            dictionary, whose names would be.
    """
    if isinstance(items, str):
        raise TypeError(f"expected a list of {name}s, not one {name}")
    if isinstance(items, Mapping) or hasattr(items, "columns"):
        raise TypeError(f"expected a list or column of {name}s, not a {type(items).__name__}")
    for method in ("to_pylist", "to_list", "tolist"):  # Arrow; pandas and Polars; NumPy
        if hasattr(items, method):
            items = getattr(items, method)()
            break
    return list(items)
