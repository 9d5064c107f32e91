from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.views import encode, ids_of, token_lists_of
from lstm_model.vocabulary import Vocabulary


def test_pairs_are_of_the_characters_of_the_words_put_together() -> None:
    found = token_lists_of("pairs", [["股市", "大涨"], ["AI"], ["晴"], [], ["5", "G", " "]])
    assert found == [["股市", "市大", "大涨"], ["AI"], [], [], ["5G", "G "]]


@given(st.lists(st.lists(st.text(min_size=1, max_size=4), max_size=6), max_size=6))
def test_how_a_title_was_cut_does_not_change_its_pairs(token_lists) -> None:
    found = token_lists_of("pairs", token_lists)
    assert found == token_lists_of("pairs", [list("".join(words)) for words in token_lists])
    for words, pairs in zip(token_lists, found, strict=True):
        title = "".join(words)
        assert len(pairs) == max(0, len(title) - 1)
        assert "".join(pair[0] for pair in pairs) == title[: len(pairs)]


def test_ids_are_those_of_each_view() -> None:
    titles = [["股市", "大涨"], ["大", "涨"]]
    words = Vocabulary.build(titles, "verbatim")
    pairs = Vocabulary.build(token_lists_of("pairs", titles), "verbatim")
    (of_words, lengths), (of_pairs, pair_lengths) = ids_of([words, pairs], titles)
    assert [words.words[one] for one in of_words] == ["股市", "大涨", "大", "涨"]
    assert [pairs.words[one] for one in of_pairs] == ["股市", "市大", "大涨", "大涨"]
    assert (lengths.tolist(), pair_lengths.tolist()) == ([2, 2], [3, 1])
    assert [one.shape for one in encode([words, pairs], titles)] == [(2, 2), (2, 3)]
    np.testing.assert_array_equal(encode([words], titles)[0], words.encode(titles))
