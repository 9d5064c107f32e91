from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lstm_model.joined_tokens import JoinedTokens
from lstm_model.normal_forms import normalised_rows, normalised_text

# Simple ones, unread ones, full-width ones, and some that NFKC composes, splits or reorders.
AWKWARD = '股市aＡ５。“”"＂，％… \u3000がか\u3099ﾊﾟ①㈱½\u0301e\u0323\u0307é가ᄀ\u1161🔥\n\0\ud800豈'


@given(st.lists(st.text(st.sampled_from(AWKWARD), max_size=8) | st.text(max_size=5), max_size=8))
def test_rows_are_normalised_as_each_by_itself(titles: list[str]) -> None:
    expected = [[normalised_text(title)] for title in titles]
    assert list(normalised_rows(JoinedTokens.of([[title] for title in titles]))) == expected
    # The rows of a text that has more between them.
    text = "\u0301".join(["", *titles, ""])
    rows = JoinedTokens.of([[title] for title in titles])
    apart = JoinedTokens(
        text,
        (rows.lengths + 1).cumsum() - rows.lengths,
        rows.lengths,
        rows.counts,
    )
    assert list(normalised_rows(apart)) == expected
