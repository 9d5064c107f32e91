"""The inputs of a classifier: words of the title, its character bigrams, words of the article.

A word that no training text had is unknown, but the bigrams in it and around it seldom are. A
classifier reads the words, or more; lists of one element an input (vocabularies, arrays of ids)
are in the order words, bigrams, article. Branches read the first two, a linear path the article.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstm_model.joined_tokens import JoinedTokens
from lstm_model.normal_forms import normalised_rows
from lstm_model.vocabulary import Rules, Vocabulary

# Bigrams and article are called `pairs` and `contents` in presets and artifacts.
InputName = Literal["words", "pairs", "contents"]
TokenLists = Sequence[Sequence[str]]
ID_INPUTS: dict[InputName, str] = {  # names of the inputs of models that take ids
    "words": "ids",
    "pairs": "pair_ids",
    "contents": "content_ids",
}
CONTENT_COUNTS = "content_counts"  # how often an article has each word of `content_ids`


def char_bigrams(token_lists: TokenLists, rules: Rules) -> JoinedTokens:
    """All adjacent pairs of characters of each title: n - 1 for a title of n characters.

    Of the text rules of the words, only `normalised` changes the title.
    """
    titles = JoinedTokens.of(token_lists).whole_rows()
    return (normalised_rows(titles) if rules == "normalised" else titles).bigrams()


def input_tokens(
    names: Sequence[InputName], rules: Rules, token_lists: TokenLists, articles: TokenLists | None
) -> list[TokenLists]:
    """The tokens of each input.

    Args:
        names: the inputs, the words first.
        rules: the text rules of the words.
        token_lists: the words of each title.
        articles: those of each article, as many, an empty list for a title without one; None
            exactly where no input reads them.

    Raises:
        ValueError: articles are missing or superfluous, or not as many as titles.
    """
    require_articles(token_lists, articles, read="contents" in names)
    titles = JoinedTokens.of(token_lists)
    tokens: list[TokenLists] = []
    for name in names:
        if name == "contents":
            assert articles is not None
            tokens.append(articles)
        else:
            tokens.append(titles if name == "words" else char_bigrams(titles, rules))
    return tokens


def require_articles(token_lists: TokenLists, articles: TokenLists | None, *, read: bool) -> None:
    """Raise ValueError unless there are as many articles as titles, or none if none are `read`."""
    if read and articles is None:
        raise ValueError("the classifier reads articles, but none are given")
    if not read and articles is not None:
        raise ValueError("the classifier reads no articles, but they are given")
    if articles is not None and len(articles) != len(token_lists):
        raise ValueError(f"there are {len(token_lists)} titles, but {len(articles)} articles")


def input_ids(
    names: Sequence[InputName],
    vocabularies: Sequence[Vocabulary],
    token_lists: TokenLists,
    articles: TokenLists | None = None,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each input, the ids of all rows and how many each has: see `Vocabulary.ids`.

    Raises:
        ValueError: see `input_tokens`.
    """
    tokens = input_tokens(names, vocabularies[0].rules, token_lists, articles)
    return [vocabulary.ids(rows) for vocabulary, rows in zip(vocabularies, tokens, strict=True)]


def padded_ids(
    names: Sequence[InputName],
    vocabularies: Sequence[Vocabulary],
    token_lists: TokenLists,
    padded_length: int | None = None,
) -> list[NDArray[np.int32]]:
    """For each input of branches, the ids `(rows, length)`: see `Vocabulary.encode`."""
    tokens = input_tokens(names, vocabularies[0].rules, token_lists, None)
    return [
        vocabulary.encode(rows, padded_length)
        for vocabulary, rows in zip(vocabularies, tokens, strict=True)
    ]
