from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.joined_tokens import JoinedTokens, is_common_han

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


def test_han_is_known_by_all_characters_of_a_token() -> None:
    tokens = [
        "股",
        "股市",
        "大涨了",
        "股a",
        "a",
        "，",
        "\u4dff",
        "一",
        "\u9fff",
        "\ua000",
        "",
        "四字成语",
    ]
    is_han = is_common_han(JoinedTokens.of([tokens]).packed)
    assert [token for token, han in zip(tokens, is_han, strict=True) if han] == [
        *("股", "股市", "大涨了", "一", "\u9fff")
    ]


@given(ROWS)
def test_bigrams_are_those_of_each_row(rows: list[list[str]]) -> None:
    titles = ["".join(row) for row in rows]
    whole = JoinedTokens.of(rows).whole_rows()
    assert list(whole) == [[title] for title in titles]
    assert list(whole.bigrams()) == [[*map(str.__add__, title, title[1:])] for title in titles]


def test_a_row_that_is_a_string_is_rejected() -> None:
    with pytest.raises(TypeError, match="a row is a list of tokens, not a string: '股市'"):
        JoinedTokens.of(["股市"])
