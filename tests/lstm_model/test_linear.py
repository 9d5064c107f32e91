"""The linear path of articles: its features and its training, compared with scikit-learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from lstm_model.architecture import BIAS, IDF, KERNEL
from lstm_model.branch_config import ArticleConfig
from lstm_model.linear import LinearPath, count_words, features, padded_counts
from lstm_model.linear_training import fit
from lstm_model.vocabulary import Vocabulary

CONFIG = ArticleConfig(100, min_articles=2, c=8.0, network_weight=0.75, article_weight=0.5)
WORDS = [f"词{number}" for number in range(30)]
KNOWN = Vocabulary.build([WORDS], "verbatim")
# The path alone: the network's logits are 0 in these tests.
ALONE = dataclasses.replace(CONFIG, article_weight=1.0)


def made_up(rows: int, seed: int = 0) -> tuple[list[list[str]], np.ndarray]:
    """Articles with labels that their words give away more often than not."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, rows, p=[0.1, 0.5, 0.4])
    articles = []
    for label in labels:
        likely = np.where(np.arange(len(WORDS)) % 3 == label, 2.0, 1.0)
        drawn = rng.choice(len(WORDS), rng.integers(1, 40), p=likely / likely.sum())
        articles.append([WORDS[number] for number in drawn])
    return articles, labels


def fitted(articles, labels, weights=1.0):
    targets = np.eye(3, dtype=np.float32)[labels] * np.float32(weights)
    return fit(ALONE, "verbatim", articles, targets)


def linear_logits(vocabulary, weights, articles) -> np.ndarray:
    network = np.zeros((len(articles), 3), np.float32)
    return LinearPath(ALONE, weights).blended(network, *vocabulary.ids(articles))


def test_features_are_those_of_scikit_learn() -> None:
    articles, labels = made_up(200)
    vocabulary, weights = fitted(articles, labels)
    words = count_words(*vocabulary.ids(articles))
    found = np.zeros((len(articles), len(vocabulary)))
    found[words.rows, words.ids] = features(words, weights[IDF].astype(float), len(articles))
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=CONFIG.min_articles)
    expected = vectorizer.fit_transform(articles).toarray()
    columns = [vectorizer.vocabulary_[word] for word in vocabulary.words[2:]]
    assert len(columns) == expected.shape[1]
    np.testing.assert_allclose(found[:, 2:], expected[:, columns], atol=1e-6)
    np.testing.assert_array_equal(found[:, :2], 0)


def test_probabilities_are_those_of_scikit_learn() -> None:
    articles, labels = made_up(300)
    others, _ = made_up(50, seed=1)
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=CONFIG.min_articles)
    model = LogisticRegression(C=8.0, class_weight="balanced", tol=1e-8, max_iter=1000)
    model.fit(vectorizer.fit_transform(articles), labels)
    logits = linear_logits(*fitted(articles, labels), others)
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = model.predict_proba(vectorizer.transform(others))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_training_twice_gives_the_same_weights() -> None:
    articles, labels = made_up(60)
    first, again = (fitted(articles, labels) for _ in range(2))
    assert first[0] == again[0]
    for name in (IDF, KERNEL, BIAS):
        np.testing.assert_array_equal(first[1][name], again[1][name])


def test_the_heavier_of_two_contradicting_articles_decides() -> None:
    articles, labels = [["甲"], ["甲"], ["乙"], ["乙"]], [0, 2, 0, 2]
    for heavier, expected in (([3, 1, 1, 3], [0, 2]), ([1, 3, 3, 1], [2, 0])):
        vocabulary, weights = fitted(articles, labels, np.array(heavier)[:, None])
        logits = linear_logits(vocabulary, weights, [["甲"], ["乙"]])
        assert logits.argmax(axis=1).tolist() == expected


def test_articles_without_words_and_classes_without_rows_are_no_obstacle() -> None:
    vocabulary, weights = fitted([["甲", "乙"], ["甲"], [], ["乙"]], [0, 0, 2, 2])
    logits = linear_logits(vocabulary, weights, [["甲"], ["乙"], [], ["丙"]])
    assert logits.argmax(axis=1).tolist()[:2] == [0, 2]
    np.testing.assert_array_equal(logits[2:], 0)  # the network's
    vocabulary, weights = fitted([[], []], [0, 1])
    assert np.isfinite(weights[BIAS]).all()
    assert weights[KERNEL].shape == (2, 3)


def test_a_title_without_known_words_in_its_article_keeps_its_logits() -> None:
    articles, labels = made_up(60)
    vocabulary, weights = fitted(articles, labels)
    network = np.random.default_rng(2).standard_normal((4, 3), np.float32)
    rows = [articles[0], [], ["没见过", " "], articles[1]]
    found = LinearPath(CONFIG, weights).blended(network, *vocabulary.ids(rows))
    np.testing.assert_array_equal(found[1:3], network[1:3])
    linear = linear_logits(vocabulary, weights, rows)
    np.testing.assert_allclose(found[[0, 3]], (0.75 * network + 0.5 * linear)[[0, 3]], atol=1e-6)


@given(st.lists(st.lists(st.sampled_from([*WORDS, "没见过", " "]), max_size=12), max_size=8))
def test_each_known_word_is_counted_once_a_row(rows) -> None:
    words = count_words(*KNOWN.ids(rows))
    found = list(zip(words.rows, [KNOWN.words[n] for n in words.ids], words.counts, strict=True))
    expected = [
        (row, word, tokens.count(word))
        for row, tokens in enumerate(rows)
        for word in KNOWN.words[2:]
        if word in tokens
    ]
    assert found == expected
    ids, counts = padded_counts(KNOWN, rows)
    assert ids.shape == counts.shape == (len(rows), max([1, *(len({*r} & {*WORDS}) for r in rows)]))
    assert sorted(zip(ids[ids > 0], counts[ids > 0], strict=True)) == sorted(
        zip(words.ids, words.counts, strict=True)
    )


@pytest.mark.parametrize("rows", [1, 499, 1200])
def test_a_row_gets_the_same_bits_in_any_company(rows: int) -> None:
    articles, _ = made_up(rows)
    vocabulary, weights = fitted(*made_up(100, seed=3))
    together = linear_logits(vocabulary, weights, articles)
    shuffled = [row[::-1] for row in articles[::-1]]  # nor does the order of words count
    np.testing.assert_array_equal(linear_logits(vocabulary, weights, shuffled)[::-1], together)
    for row in (0, rows // 2, rows - 1):
        alone = linear_logits(vocabulary, weights, [articles[row]])
        np.testing.assert_array_equal(alone[0], together[row])
