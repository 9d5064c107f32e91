"""The linear path of a classifier: logits from the words of the article, next to the network's.

Source: Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016. The network generalises
from few words in order; a linear model of many single words memorises what each of them says. An
article with count n_w of the word w has the features

    x_w = (1 + ln n_w) idf_w,    idf_w = 1 + ln((1 + N) / (1 + N_w)),

divided by the length of x, where N_w of N training articles have the word; idf is 0 for padding and
for unknown words. The logits are x k + b, with kernel k and bias b of a multinomial logistic
regression. The classifier's are

    network_weight · network + article_weight · (x k + b),

or the network's alone for a title without an article, or with no known word in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_model.architecture import BIAS, IDF, KERNEL
from lstm_model.branch_config import ArticleConfig
from lstm_model.inputs import TokenLists
from lstm_model.row_stable import Floats
from lstm_model.vocabulary import PADDING, UNKNOWN, Vocabulary

ROWS_AT_ONCE = 500  # whose arrays should fit into a processor's cache
_ID_BITS = 32

Ints = NDArray[np.int64]


class WordCounts(NamedTuple):
    """The known words of articles, each once an article, in the order of articles and ids.

    Attributes:
        rows: the article of each, `(n,)`.
        ids: of the words, `(n,)`.
        counts: how often the article has it, `(n,)`.
    """

    rows: Ints
    ids: Ints
    counts: Ints


def count_words(ids: Ints, words: Ints) -> WordCounts:
    """Count the words of articles.

    Args:
        ids: of the words of all articles, `(words,)`.
        words: how many each article has, `(articles,)`.
    """
    keys = np.repeat(np.arange(len(words)) << _ID_BITS, words) | ids
    keys, counts = np.unique(keys[ids > UNKNOWN], return_counts=True)
    return WordCounts(keys >> _ID_BITS, keys & ((1 << _ID_BITS) - 1), counts)


def features(words: WordCounts, idf: NDArray[np.floating], articles: int) -> NDArray[np.float64]:
    """The feature of each of `words`, `(n,)`."""
    values = (1 + np.log(words.counts)) * idf[words.ids]
    squares = np.bincount(words.rows, values * values, minlength=articles)
    normalised: NDArray[np.float64] = values / np.sqrt(squares)[words.rows]
    return normalised


def padded_counts(vocabulary: Vocabulary, articles: TokenLists) -> list[NDArray[np.int32]]:
    """The ids of the known words of each article, once each, and their counts.

    Both are `(articles, length)`, padded on the right with 0, and of length 1 at least.
    """
    words = count_words(*vocabulary.ids(articles))
    of_each = np.bincount(words.rows, minlength=len(articles))
    columns = np.arange(len(words.rows)) - np.repeat(np.cumsum(of_each) - of_each, of_each)
    arrays = []
    for values in (words.ids, words.counts):
        padded = np.full((len(articles), max(1, of_each.max(initial=0))), PADDING, np.int32)
        padded[words.rows, columns] = values
        arrays.append(padded)
    return arrays


class LinearPath:
    """A fitted path. A row gets the same bits, whatever its position and the other rows are."""

    def __init__(self, config: ArticleConfig, weights: Mapping[str, Floats]) -> None:
        self.config = config
        self.idf = weights[IDF].astype(np.float64)  # (words,)
        self.kernel = weights[KERNEL].astype(np.float64).T.copy()  # (classes, words)
        self.bias = weights[BIAS]  # (classes,)

    def blended(self, network: Floats, ids: Ints, words: Ints) -> Floats:
        """The classifier's logits `(rows, classes)`, from the network's.

        Args:
            network: `(rows, classes)`.
            ids: of the words of all articles, `(words,)`.
            words: how many each article has, `(rows,)`.
        """
        blended = network.copy()
        starts = np.cumsum(words) - words
        for first in range(0, len(words), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            end = starts[some][-1] + words[some][-1]
            counts = count_words(ids[starts[first] : end], words[some])
            logits, has_words = self._logits(counts, len(words[some]))
            weighted = np.float32(self.config.network_weight) * network[some]
            weighted += np.float32(self.config.article_weight) * logits
            blended[some] = np.where(has_words[:, None], weighted, network[some])
        return blended

    def _logits(self, words: WordCounts, articles: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Logits `(articles, classes)`, and which of the articles have known words."""
        values = features(words, self.idf, articles)
        products = [
            np.bincount(words.rows, values * of_class[words.ids], minlength=articles)
            for of_class in self.kernel
        ]
        logits = np.stack(products, axis=1).astype(np.float32) + self.bias
        return logits, np.bincount(words.rows, minlength=articles) > 0
