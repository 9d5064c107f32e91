"""What a classifier reads: a title's words, pairs of its characters, the words of the article.

A word that no training text had is unknown, but the pairs of characters in it and around it seldom
are. Classifiers read one view, the words, or more; whatever is there once a view (vocabularies,
arrays of ids) is in lists, in the order of `VIEWS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstm_model.vocabulary import Vocabulary

View = Literal["words", "pairs", "contents"]
TokenLists = Sequence[Sequence[str]]
VIEWS: tuple[View, ...] = ("words", "pairs", "contents")
INPUTS: dict[View, str] = {  # of models that take ids
    "words": "ids",
    "pairs": "pair_ids",
    "contents": "content_ids",
}


def pairs_of(token_lists: TokenLists) -> list[list[str]]:
    """All two characters that follow one another in the words put together again, for each title.

    A title of n characters has n - 1.
    """
    titles = ["".join(words) for words in token_lists]
    return [[*map(str.__add__, title, title[1:])] for title in titles]


def tokens_of(
    views: Sequence[View], token_lists: TokenLists, contents: TokenLists | None
) -> list[TokenLists]:
    """What each of some views reads.

    Args:
        views: the words first.
        token_lists: the words of each title.
        contents: those of each article, as many; a title without one has none there. None exactly
            where no view is of them.

    Raises:
        ValueError: there are contents, or none, where it should be otherwise, or too few.
    """
    if ("contents" in views) != (contents is not None):
        which = (
            "reads contents, but none are"
            if contents is None
            else "reads no contents, but they are"
        )
        raise ValueError(f"the classifier {which} given")
    if contents is not None and len(contents) != len(token_lists):
        raise ValueError(f"there are {len(token_lists)} titles, but {len(contents)} contents")
    found: list[TokenLists] = []
    for view in views:
        if view == "contents":
            assert contents is not None
            found.append(contents)
        else:
            found.append(token_lists if view == "words" else pairs_of(token_lists))
    return found


def ids_of(
    views: Sequence[View],
    vocabularies: Sequence[Vocabulary],
    token_lists: TokenLists,
    contents: TokenLists | None = None,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each view, the ids of all rows and how many each has: see `Vocabulary.ids`.

    Raises:
        ValueError: see `tokens_of`.
    """
    tokens = tokens_of(views, token_lists, contents)
    return [vocabulary.ids(one) for vocabulary, one in zip(vocabularies, tokens, strict=True)]


def encode(
    views: Sequence[View],
    vocabularies: Sequence[Vocabulary],
    token_lists: TokenLists,
    contents: TokenLists | None = None,
    padded_length: int | None = None,
) -> list[NDArray[np.int32]]:
    """For each view, the ids `(rows, length)`: see `Vocabulary.encode`.

    Raises:
        ValueError: see `tokens_of`.
    """
    tokens = tokens_of(views, token_lists, contents)
    return [
        vocabulary.encode(one, padded_length)
        for vocabulary, one in zip(vocabularies, tokens, strict=True)
    ]
