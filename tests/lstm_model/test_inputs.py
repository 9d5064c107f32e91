from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.inputs import InputName, char_bigrams, input_ids, padded_ids
from lstm_model.vocabulary import Vocabulary


def test_bigrams_cross_word_boundaries() -> None:
    found = char_bigrams([["股市", "大涨"], ["AI"], ["晴"], [], ["5", "G", " "]], "verbatim")
    assert [*found] == [["股市", "市大", "大涨"], ["AI"], [], [], ["5G", "G "]]


def test_bigrams_of_normalised_titles_skip_what_is_not_read() -> None:
    found = char_bigrams([["“", "５", "Ｇ", "”", "，", "涨", "。"]], "normalised")
    assert [*found] == [["5G", "G,", ",涨"]]


@given(st.lists(st.lists(st.text(min_size=1, max_size=4), max_size=6), max_size=6))
def test_bigrams_do_not_depend_on_segmentation(token_lists) -> None:
    found = [*char_bigrams(token_lists, "verbatim")]
    split = [list("".join(words)) for words in token_lists]
    assert found == [*char_bigrams(split, "verbatim")]
    for words, pairs in zip(token_lists, found, strict=True):
        title = "".join(words)
        assert len(pairs) == max(0, len(title) - 1)
        assert "".join(pair[0] for pair in pairs) == title[: len(pairs)]


def test_each_input_has_the_ids_of_its_vocabulary() -> None:
    titles = [["股市", "大涨"], ["大", "涨"]]
    words = Vocabulary.build(titles, "verbatim")
    pairs = Vocabulary.build(char_bigrams(titles, "verbatim"), "verbatim")
    both: tuple[InputName, ...] = ("words", "pairs")
    (of_words, lengths), (of_pairs, pair_lengths) = input_ids(both, [words, pairs], titles)
    assert [words.words[one] for one in of_words] == ["股市", "大涨", "大", "涨"]
    assert [pairs.words[one] for one in of_pairs] == ["股市", "市大", "大涨", "大涨"]
    assert (lengths.tolist(), pair_lengths.tolist()) == ([2, 2], [3, 1])
    assert [one.shape for one in padded_ids(both, [words, pairs], titles)] == [(2, 2), (2, 3)]
    np.testing.assert_array_equal(padded_ids(["words"], [words], titles)[0], words.encode(titles))


def test_articles_are_an_input() -> None:
    titles, contents = [["股市"], ["大涨"]], [["大涨", "了"], []]
    words = Vocabulary.build([*titles, *contents], "verbatim")
    views: tuple[InputName, ...] = ("words", "contents")
    (of_titles, _), (of_contents, lengths) = input_ids(views, [words, words], titles, contents)
    assert [words.words[one] for one in of_titles] == ["股市", "大涨"]
    assert [words.words[one] for one in of_contents] == ["大涨", "了"]
    assert lengths.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("views", "contents", "message"),
    [
        (["words", "contents"], None, "reads articles, but none are given"),
        (["words"], [["了"]], "reads no articles, but they are given"),
        (["words", "contents"], [["了"], []], "there are 1 titles, but 2 articles"),
    ],
)
def test_missing_or_superfluous_articles_are_rejected(views, contents, message) -> None:
    vocabulary = Vocabulary.build([["了"]], "verbatim")
    with pytest.raises(ValueError, match=message):
        input_ids(views, [vocabulary] * len(views), [["了"]], contents)
