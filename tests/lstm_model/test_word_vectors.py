"""Vectors of words: similar contexts give similar vectors, and the same texts the same bits."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_model.word_vectors import WINDOW, WordVectors, _associations, _factored, learn_vectors

ANIMALS, TOOLS = ["猫", "狗", "马", "羊"], ["锤", "锯", "刀", "斧"]


def texts(count: int = 400) -> list[list[str]]:
    """Animals run and eat; tools cut and hit."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(count):
        names, deeds = (ANIMALS, ["跑", "吃"]) if rng.random() < 0.5 else (TOOLS, ["切", "打"])
        found.append([str(rng.choice(names)), str(rng.choice(deeds)), "了"])
    return found


@pytest.fixture(scope="module")
def learned() -> WordVectors:
    return learn_vectors(texts(), "verbatim", min_count=1, size=4, seed=0)


def cosine(learned: WordVectors, first: str, second: str) -> float:
    words = learned.vocabulary.words
    a, b = (learned.vectors[words.index(word)].astype(np.float64) for word in (first, second))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_words_in_the_same_contexts_are_similar(learned: WordVectors) -> None:
    for one in ANIMALS:
        for other in ANIMALS:
            assert cosine(learned, one, other) > 0.8
        for tool in TOOLS:
            assert cosine(learned, one, tool) < 0.3


def test_vectors_of_padding_and_unknown_word(learned: WordVectors) -> None:
    assert learned.vectors.dtype == np.float32
    assert learned.vectors.shape == (len(learned.vocabulary), 4)
    assert not learned.vectors[0].any()
    np.testing.assert_allclose(learned.vectors[1], learned.vectors[2:].mean(axis=0), atol=1e-6)
    assert learned.vectors[2:].std() == pytest.approx(0.3, rel=1e-5)


def associations_by_hand(ids: list[list[int]], words: int) -> NDArray[np.float64]:
    """The formula, pair by pair."""
    counts = np.zeros((words, words))
    for text in ids:
        for i, first in enumerate(text):
            for j, second in enumerate(text):
                distance = abs(i - j)
                if i != j and distance <= WINDOW and first > 1 and second > 1:
                    counts[first, second] += (WINDOW + 1 - distance) / WINDOW
    found = np.zeros_like(counts)
    of_word = counts.sum(axis=1)
    of_context = of_word**0.75
    for first, second in np.argwhere(counts):
        chance = of_word[first] * of_context[second] / of_context.sum()
        found[first, second] = max(0.0, np.log(counts[first, second] / chance))
    return found


def test_associations_match_the_formula() -> None:
    rng = np.random.default_rng(3)
    ids = [rng.integers(1, 9, rng.integers(0, 12)).tolist() for _ in range(20)]
    flat = np.array([one for text in ids for one in text])
    lengths = np.array([len(text) for text in ids])
    found = _associations(flat, lengths, 9).toarray()
    np.testing.assert_allclose(found, associations_by_hand(ids, 9), atol=1e-6)


def test_factors_match_the_full_decomposition() -> None:
    from scipy.sparse import csr_array

    rng = np.random.default_rng(5)
    root = rng.standard_normal((60, 6)).astype(np.float32)
    matrix = root @ root.T  # of rank 6, symmetric
    left, values, _ = np.linalg.svd(matrix)
    wanted = left[:, :4] * np.sqrt(values[:4])
    found = _factored(csr_array(matrix), 4, seed=0)
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found * signs, wanted, atol=1e-3)


def test_few_words_leave_the_last_values_zero() -> None:
    learned = learn_vectors(texts(), "verbatim", min_count=1, size=128, seed=0)
    words = len(learned.vocabulary)  # with the two reserved ones, which no pair has
    assert learned.vectors.shape == (words, 128)
    assert learned.vectors[2:].any(axis=1).all()
    assert not learned.vectors[:, words:].any()


@pytest.mark.parametrize("few", [[], [[]], [["孤"]], [["孤"], ["独"]]])
def test_texts_without_word_pairs_give_zeros(few: list[list[str]]) -> None:
    learned = learn_vectors(few, "verbatim", min_count=1, size=3, seed=0)
    assert learned.vectors.shape == (len(learned.vocabulary), 3)
    assert np.isfinite(learned.vectors).all()
    assert not learned.vectors.any()


PRINT_DIGEST = """
import sys
sys.path.insert(0, "tests/lstm_model")
from test_word_vectors import texts
from lstm_model.word_vectors import learn_vectors
print(learn_vectors(texts(), "verbatim", 1, 4, 0).digest())
"""


def test_vectors_do_not_depend_on_process_or_threads(learned: WordVectors) -> None:
    for threads in ("1", "2"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        found = subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            capture_output=True, text=True, check=True, env=environment,
        ).stdout.strip()  # fmt: skip
        assert found == learned.digest()
