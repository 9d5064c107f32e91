"""What a classifier reads of a title: its words and, beside them, pairs of its characters.

A word that no training text had is unknown, but the pairs of characters in it and around it seldom
are. Classifiers read one view, the words, or both; whatever is there once a view (vocabularies,
arrays of ids) is in lists, the words first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstm_model.vocabulary import Vocabulary

View = Literal["words", "pairs"]
TokenLists = Sequence[Sequence[str]]
VIEWS: tuple[View, ...] = ("words", "pairs")
INPUTS: dict[View, str] = {"words": "ids", "pairs": "pair_ids"}  # of models that take ids


def token_lists_of(view: View, token_lists: TokenLists) -> TokenLists:
    """The tokens of a view: the words as they were cut, or the pairs.

    Pairs are all two characters that follow one another in the words put together again, so that a
    title of n characters has n - 1.
    """
    if view == "words":
        return token_lists
    titles = ["".join(words) for words in token_lists]
    return [[*map(str.__add__, title, title[1:])] for title in titles]


def ids_of(
    vocabularies: Sequence[Vocabulary], token_lists: TokenLists
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each view, the ids of all rows and how many each has: see `Vocabulary.ids`."""
    return [
        vocabulary.ids(token_lists_of(view, token_lists))
        for view, vocabulary in zip(VIEWS, vocabularies, strict=False)
    ]


def encode(
    vocabularies: Sequence[Vocabulary], token_lists: TokenLists, padded_length: int | None = None
) -> list[NDArray[np.int32]]:
    """For each view, the ids `(rows, length)`: see `Vocabulary.encode`."""
    return [
        vocabulary.encode(token_lists_of(view, token_lists), padded_length)
        for view, vocabulary in zip(VIEWS, vocabularies, strict=False)
    ]
