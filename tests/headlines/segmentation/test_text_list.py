"""Texts may come as any column or array; what is not text is named by its position."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headlines.errors import InputError
from headlines.segmentation import Segmenter, segment, text_list

TEXTS = ["股市大涨", "", "明日天气"]
COLUMNS: dict[str, Callable[[list[Any]], Iterable[Any]]] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "Series": lambda items: pd.Series(items, index=range(7, 7 + len(items)), dtype="object"),
    "Series of str": lambda items: pd.Series(items, dtype="str"),
    "Series of string": lambda items: pd.Series(items, dtype="string"),
    "Categorical": lambda items: pd.Series(items, dtype="category"),
    "Index": lambda items: pd.Index(items, dtype="object"),
    "ndarray of objects": lambda items: np.array(items, object),
    "ndarray of text": np.array,
    "Polars": pl.Series,
    "Arrow": pa.array,
    "chunked Arrow": lambda items: pa.chunked_array([items]),
}


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_any_column_is_taken_as_a_list(make: Callable[[list[Any]], Iterable[Any]]) -> None:
    texts = text_list(make(TEXTS), "text")
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}
    assert segment(make(TEXTS)) == segment(TEXTS)
    assert segment(make([])) == []


@pytest.mark.parametrize("engine", ["fast", "jieba", "paddle"])
@pytest.mark.parametrize("item", [float("nan"), None, pd.NA, 5, b"\xe5", ["股市"]], ids=repr)
def test_an_item_that_is_not_text_is_named_by_position(engine: str, item: object) -> None:
    for make in (list, COLUMNS["Series"], COLUMNS["ndarray of objects"]):
        items = make(["股市", "天气", item]) if item != ["股市"] else ["股市", "天气", item]
        with pytest.raises(InputError, match=r"^text 2: .* is not text; "):
            Segmenter(engine).cut(items)


@pytest.mark.parametrize(
    "table", [pd.DataFrame({"title": TEXTS}), pl.DataFrame({"title": TEXTS}), {"title": TEXTS}]
)
def test_names_of_columns_are_not_taken_for_texts(table: Any) -> None:
    with pytest.raises(TypeError, match="expected a list or column of texts, not a"):
        segment(table)
