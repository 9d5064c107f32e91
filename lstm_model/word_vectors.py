"""`learn_vectors`: a vector for each word, from texts without labels.

Words that occur near the same words get similar vectors. Each pair of words is weighted by how much
more often the two occur near each other than by chance (positive pointwise mutual information), and
the matrix of all pairs is factored to as many columns as a vector has values.

Sources: Levy and Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NeurIPS 2014;
the smoothed contexts and the square roots of the singular values: Levy, Goldberg and Dagan,
"Improving Distributional Similarity with Lessons Learned from Word Embeddings", TACL 3, 2015; the
factorisation: Halko, Martinsson and Tropp, SIAM Review 53(2), 2011, algorithm 4.4, with LU in place
of QR but for the last step, as scikit-learn's `randomized_svd` has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_model.row_stable import Floats
from lstm_model.vocabulary import UNKNOWN, Rules, Vocabulary

WINDOW = 5  # words to each side that count as near; the nearest counts five times the farthest
_SMOOTHING = 0.75  # exponent of the counts of contexts: rare ones would get too much weight
_STANDARD_DEVIATION = 0.3  # of all values: the one the LSTM was tried with
_OVERSAMPLING, _ITERATIONS = 20, 4


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors.

    Attributes:
        vocabulary: the words.
        vectors: `(words, size)`, float32: zeros for padding, and for the unknown word the mean of
            all others.
    """

    vocabulary: Vocabulary
    vectors: Floats

    def digest(self) -> str:
        """SHA-256 of words and vectors."""
        words = json.dumps([self.vocabulary.rules, *self.vocabulary.words]).encode()
        sha256 = hashlib.sha256(words)
        sha256.update(np.ascontiguousarray(self.vectors, "<f4").tobytes())
        return sha256.hexdigest()


def learn_vectors(
    token_lists: Sequence[Sequence[str]], rules: Rules, min_count: int, size: int, seed: int
) -> WordVectors:
    """Vectors of the words of `token_lists`, the same ones every time.

    With fewer words than a vector has values, the last values are zeros.

    Args:
        token_lists: texts as tokens.
        rules: the text rules of the vocabulary.
        min_count: a word seen less often is an unknown word.
        size: length of a vector.
        seed: of the random start of the factorisation.
    """
    import scipy.linalg  # noqa: F401  # limits hold for libraries that are loaded
    from threadpoolctl import threadpool_limits

    vocabulary = Vocabulary.build(token_lists, rules, min_count)
    with threadpool_limits(1):  # the order of sums, and so the last bits, depends on the threads
        associations = _associations(*vocabulary.ids(token_lists), len(vocabulary))
        factors = _factored(associations, size, seed)
    vectors = np.zeros((len(vocabulary), size), dtype=np.float32)
    known = vectors[UNKNOWN + 1 :, : factors.shape[1]]
    if len(known):
        known[:] = factors[UNKNOWN + 1 :]
        known *= _STANDARD_DEVIATION / (known.std() or 1)
        vectors[UNKNOWN] = vectors[UNKNOWN + 1 :].mean(axis=0)
    return WordVectors(vocabulary, vectors)


def _associations(ids: NDArray[np.int64], lengths: NDArray[np.int64], words: int) -> Any:
    """Positive pointwise mutual information `(words, words)`, sparse, of each pair of words.

    Args:
        ids: of the words of all texts, concatenated.
        lengths: number of words of each text.
        words: size of the vocabulary.
    """
    from scipy.sparse import csr_array

    text = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    ids = ids.astype(np.int32)
    pairs = csr_array((words, words), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        near = (text[:-distance] == text[distance:]) & (left > UNKNOWN) & (right > UNKNOWN)
        weight = np.full(np.count_nonzero(near), (WINDOW + 1 - distance) / WINDOW)
        pairs = pairs + csr_array((weight, (left[near], right[near])), shape=pairs.shape)
    both_ways = (pairs + pairs.T).tocoo()
    row, column = both_ways.coords
    of_word: NDArray[np.float64] = np.asarray(both_ways.sum(axis=1))  # (words,)
    of_context = of_word**_SMOOTHING
    # Both words of a pair that occurs are counted: no division by zero.
    information = np.log(both_ways.data * of_context.sum() / (of_word[row] * of_context[column]))
    above = information > 0
    data = information[above].astype(np.float32)
    return csr_array((data, (row[above], column[above])), shape=pairs.shape)


def _factored(matrix: Any, size: int, seed: int) -> Floats:
    """The left singular vectors of the largest singular values, times the values' square roots.

    Args:
        matrix: `(words, words)`, sparse.
        size: how many: the result is `(words, size)`, float32, or `(words, words)` if that is
            smaller.
    """
    from scipy.linalg import lu, qr

    width = min(size + _OVERSAMPLING, matrix.shape[0])
    transposed = matrix.T.tocsr()  # its products are faster than those of `matrix.T`
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[0], width), np.float32)
    for _ in range(_ITERATIONS):
        basis = lu(matrix @ basis, permute_l=True)[0]  # (words, width)
        basis = lu(transposed @ basis, permute_l=True)[0]
    basis = qr(matrix @ basis, mode="economic")[0]
    # The right factor of `basis.T @ matrix` is not needed: that of its QR is left out.
    [triangle] = qr(transposed @ basis, mode="r")
    left, values, _ = np.linalg.svd(triangle[:width].T)
    scaled: Floats = (basis @ left[:, :size]) * np.sqrt(values[:size])
    return scaled.astype(np.float32)
