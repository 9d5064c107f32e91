from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.joined_tokens import JoinedTokens, consist_of

ROWS = st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=6)


@given(ROWS)
def test_joined_rows_are_the_rows(rows: list[list[str]]) -> None:
    joined = JoinedTokens.of(rows)
    assert len(joined) == len(rows)
    assert list(joined) == joined[:] == rows
    assert [joined[number - len(rows)] for number in range(len(rows))] == rows


@given(st.lists(st.text(st.sampled_from("\0\1a股\U0010ffff\ud800"), max_size=4), max_size=40))
def test_packed_tokens_differ_as_the_tokens_do(tokens: list[str]) -> None:
    packed = JoinedTokens.of([tokens]).packed.tolist()
    for token, integer in zip(tokens, packed, strict=True):
        assert (integer > 0) == (1 <= len(token) <= 3)
    known = {integer: token for token, integer in zip(tokens, packed, strict=True)}
    assert all(known[n] == token for token, n in zip(tokens, packed, strict=True) if n)


def test_tokens_of_some_characters_alone() -> None:
    han = ["股", "股市", "大涨了", "一", "\u9fff"]
    others = ["股a", "a股", "a", "，", "\u4dff", "\ua000", "", "四字成语", "\0", "\U0010ffff"]
    is_han = np.zeros(0x110000, bool)
    is_han[0x4E00:0xA000] = True
    answers = consist_of(JoinedTokens.of([[*han, *others]]).packed, is_han)
    assert answers.tolist() == [True] * len(han) + [False] * len(others)


@given(ROWS)
def test_bigrams_are_those_of_each_row(rows: list[list[str]]) -> None:
    titles = ["".join(row) for row in rows]
    whole = JoinedTokens.of(rows).whole_rows()
    assert list(whole) == [[title] for title in titles]
    assert list(whole.bigrams()) == [[*map(str.__add__, title, title[1:])] for title in titles]


def test_a_row_that_is_a_string_is_rejected() -> None:
    with pytest.raises(TypeError, match="a row is a list of tokens, not a string: '股市'"):
        JoinedTokens.of(["股市"])
