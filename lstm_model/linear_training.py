"""`fit`: the weights of the linear path of `linear`, by multinomial logistic regression."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from lstm_model.architecture import BIAS, CLASSES, IDF, KERNEL
from lstm_model.branch_config import ArticleConfig
from lstm_model.inputs import TokenLists
from lstm_model.linear import count_words, features
from lstm_model.row_stable import Floats
from lstm_model.vocabulary import RESERVED, Rules, Vocabulary

_MAX_STEPS = 2000


def fit(
    config: ArticleConfig, rules: Rules, articles: TokenLists, targets: Floats
) -> tuple[Vocabulary, dict[str, Floats]]:
    """Learn the vocabulary and the weights; the same input gives the same ones.

    Each class counts the same in all, so that the rare ones are not lost. Articles without a known
    word say nothing and are not learned from.

    Args:
        config: settings.
        rules: the text rules.
        articles: the words of each article.
        targets: the probabilities of the classes, `(articles, CLASSES)`, times the articles'
            weights.
    """
    vocabulary = _words_of_several(Vocabulary.build(articles, rules), articles, config.min_articles)
    words = count_words(*vocabulary.ids(articles))
    of_word = np.bincount(words.ids, minlength=len(vocabulary))
    has_words = np.bincount(words.rows, minlength=len(articles)) > 0
    idf = np.where(of_word, 1 + np.log((1 + len(articles)) / (1 + of_word)), 0)
    matrix = scipy.sparse.csr_array(
        (features(words, idf, len(articles)), (words.rows, words.ids)),
        shape=(len(articles), len(vocabulary)),
    )[has_words]
    by_class = targets[has_words].sum(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = by_class / by_class.sum() * np.count_nonzero(by_class)
        balanced = np.nan_to_num(targets[has_words] / share)  # 0 for a class that none has
    solution = _logistic_regression(matrix, balanced, config.c)
    weights = {IDF: idf, KERNEL: solution[:-1], BIAS: solution[-1]}
    return vocabulary, {name: array.astype(np.float32) for name, array in weights.items()}


def _words_of_several(every: Vocabulary, articles: TokenLists, minimum: int) -> Vocabulary:
    """The words that this many of the articles have, in the order of `every` word's ids."""
    of_word = np.bincount(count_words(*every.ids(articles)).ids, minlength=len(every))
    kept = (word for word, number in zip(every.words, of_word, strict=True) if number >= minimum)
    return Vocabulary((*RESERVED, *kept), every.rules)


def _logistic_regression(
    x: scipy.sparse.csr_array, targets: NDArray[np.float64], c: float
) -> NDArray[np.float64]:
    """Kernel and bias `(features + 1, CLASSES)` of the least loss.

    It is c times the cross-entropy, summed over the rows, plus half the sum of the squares of the
    kernel.

    Args:
        x: features `(rows, features)`.
        targets: `(rows, CLASSES)`, from 0 up.
        c: as of `ArticleConfig`.
    """
    transposed = x.T.tocsr()
    of_row = targets.sum(axis=1, keepdims=True)  # (rows, 1)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(-1, CLASSES)
        logarithms = log_softmax(x @ weights[:-1] + weights[-1], axis=1)
        error = c * (np.exp(logarithms) * of_row - targets)
        gradient = np.vstack([transposed @ error + weights[:-1], error.sum(axis=0)])
        penalty = (weights[:-1] ** 2).sum() / 2
        return penalty - c * (targets * logarithms).sum(), gradient.ravel()

    start = np.zeros((x.shape[1] + 1) * CLASSES)
    with threadpool_limits(1):  # the rounding of sums depends on the number of threads
        result = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MAX_STEPS, "maxfun": _MAX_STEPS},
        )
    solution: NDArray[np.float64] = result.x.reshape(-1, CLASSES)
    return solution
