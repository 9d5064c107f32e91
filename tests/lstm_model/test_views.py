from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.views import View, encode, ids_of, pairs_of
from lstm_model.vocabulary import Vocabulary


def test_pairs_are_of_the_characters_of_the_words_put_together() -> None:
    found = pairs_of([["股市", "大涨"], ["AI"], ["晴"], [], ["5", "G", " "]])
    assert found == [["股市", "市大", "大涨"], ["AI"], [], [], ["5G", "G "]]


@given(st.lists(st.lists(st.text(min_size=1, max_size=4), max_size=6), max_size=6))
def test_how_a_title_was_cut_does_not_change_its_pairs(token_lists) -> None:
    found = pairs_of(token_lists)
    assert found == pairs_of([list("".join(words)) for words in token_lists])
    for words, pairs in zip(token_lists, found, strict=True):
        title = "".join(words)
        assert len(pairs) == max(0, len(title) - 1)
        assert "".join(pair[0] for pair in pairs) == title[: len(pairs)]


def test_ids_are_those_of_each_view() -> None:
    titles = [["股市", "大涨"], ["大", "涨"]]
    words = Vocabulary.build(titles, "verbatim")
    pairs = Vocabulary.build(pairs_of(titles), "verbatim")
    both: tuple[View, ...] = ("words", "pairs")
    (of_words, lengths), (of_pairs, pair_lengths) = ids_of(both, [words, pairs], titles)
    assert [words.words[one] for one in of_words] == ["股市", "大涨", "大", "涨"]
    assert [pairs.words[one] for one in of_pairs] == ["股市", "市大", "大涨", "大涨"]
    assert (lengths.tolist(), pair_lengths.tolist()) == ([2, 2], [3, 1])
    assert [one.shape for one in encode(both, [words, pairs], titles)] == [(2, 2), (2, 3)]
    np.testing.assert_array_equal(encode(["words"], [words], titles)[0], words.encode(titles))


def test_contents_are_a_view_of_their_own() -> None:
    titles, contents = [["股市"], ["大涨"]], [["大涨", "了"], []]
    words = Vocabulary.build([*titles, *contents], "verbatim")
    views: tuple[View, ...] = ("words", "contents")
    (of_titles, _), (of_contents, lengths) = ids_of(views, [words, words], titles, contents)
    assert [words.words[one] for one in of_titles] == ["股市", "大涨"]
    assert [words.words[one] for one in of_contents] == ["大涨", "了"]
    assert lengths.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("views", "contents", "message"),
    [
        (["words", "contents"], None, "reads contents, but none are given"),
        (["words"], [["了"]], "reads no contents, but they are given"),
        (["words", "contents"], [["了"], []], "there are 1 titles, but 2 contents"),
    ],
)
def test_contents_are_given_exactly_where_they_are_read(views, contents, message) -> None:
    vocabulary = Vocabulary.build([["了"]], "verbatim")
    with pytest.raises(ValueError, match=message):
        ids_of(views, [vocabulary] * len(views), [["了"]], contents)
