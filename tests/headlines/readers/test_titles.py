import hashlib
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.readers.many_titles import readable_texts, record_ids
from headlines.readers.titles import (
    MAX_TITLE,
    half_width,
    has_undecodable,
    normalised,
    readable_text,
    record_id,
    title_problem,
    visible_text,
)

EMOJI_MARKS = "\ufe0e\ufe0f\u200d"
MARKS = [
    *"\xad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u200b\u200c\u200e\u202e\u2060\u2066\u2800\u3164\ufe00",
    *"\ufeff\uffa0\ufff9\x01\x7f\x9f\U0001d173\U000e0001\U000e0041\U000e0100",
    *EMOJI_MARKS,
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(TEXT)
def test_record_id_ignores_width_and_outer_white_space(text: str) -> None:
    for same in (f" \u3000{text}\n", unicodedata.normalize("NFD", text)):
        assert record_id(same) == record_id(text)


def test_record_id_never_changes() -> None:
    # Golden: corpora, caches and predictions on disk are joined by it.
    assert record_id("股市大涨") == "94ab4cf890c63d77cd30607ca999f7c2"
    assert record_id("ＡＢＣ　１２３") == record_id(" ABC  123 ")
    assert record_id("ABC") != record_id("abc")
    assert record_id("大涨 股市") != record_id("大涨股市")


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        (None, "title is missing"),
        ("", "title is blank"),
        (" \t\u3000\n", "title is blank"),
        ("股市\udce4", "title has undecodable bytes"),
        ("\ud800", "title has undecodable bytes"),
        ("股\x00市", "title has a NUL character"),
        ("长" * (MAX_TITLE + 1), f"title is longer than {MAX_TITLE} characters"),
        ("长" * MAX_TITLE, None),
        *((mark, "title is blank") for mark in MARKS),
        ("".join(MARKS), "title is blank"),
        ("\ue000", "title is blank"),  # of private use: no font shows it
        ("股市大涨", None),
        ("🎉", None),
    ],
)
def test_title_problem(title: str | None, problem: str | None) -> None:
    assert title_problem(title) == problem


@pytest.mark.parametrize("mark", MARKS, ids=ascii)
def test_a_mark_that_does_not_show_changes_nothing(mark: str) -> None:
    title = "🎉股市e\u0301大涨 3%"
    for place in range(len(title) + 1):
        marked = title[:place] + mark + title[place:]
        if mark in EMOJI_MARKS and place == 1:
            continue
        assert visible_text(marked) == title
        assert record_id(marked) == record_id(title)


@pytest.mark.parametrize(
    "emoji",
    [
        *(
            "👨\u200d👩\u200d👧",
            "❤\ufe0f",
            "❤\ufe0e",
            "1\ufe0f\u20e3",
            "🏳\ufe0f\u200d🌈",
            "🏃🏽\u200d♀\ufe0f",
        ),
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
    ids=ascii,
)
def test_marks_within_emoji_stay(emoji: str) -> None:
    assert visible_text(f"中{emoji}国") == f"中{emoji}国"
    # as before there was `visible_text`: predictions on disk are joined by it
    normal = unicodedata.normalize("NFKC", emoji)
    assert record_id(emoji) == hashlib.sha256(normal.encode()).hexdigest()[:32]


@pytest.mark.parametrize("text", ["\u0600١٢", "नमस्ते", "A\u0301", "a\tb\x1cc\u2028", "\ue000", "㋿"])
def test_visible_text_keeps_all_that_shows(text: str) -> None:
    assert visible_text(text) is text


@given(st.text(st.sampled_from([*MARKS, *"❤1a\u20e3👩🏴\u0301"])))
def test_visible_text_of_visible_text_is_the_same(text: str) -> None:
    assert visible_text(visible_text(text)) == visible_text(text)


def test_half_width_leaves_marks_that_are_no_part_of_words() -> None:
    assert half_width("５．５％的Ｔ恤（＃１），Ｃ＋＋！") == "5.5％的T恤（#1），C＋＋！"


@given(st.binary())
def test_undecodable_bytes_are_found_anywhere(content: bytes) -> None:
    try:
        content.decode("utf-8")
        decodable = True
    except UnicodeDecodeError:
        decodable = False
    assert has_undecodable(content.decode("utf-8", "surrogateescape")) is not decodable


@given(st.text())
def test_usable_title_has_bytes_and_a_record_id(title: str) -> None:
    if title_problem(title) is None:
        assert len(record_id(title)) == 32
        assert title.encode().decode() == title


OFTEN = st.sampled_from([*"a Ａ　。，—“…①ｶﾞがか\u3099\u0301e\n\r\t天晴", *MARKS, "👨\u200d👩"])


@given(st.lists(st.lists(OFTEN | TEXT, max_size=6).map("".join), max_size=8))
def test_many_titles_at_once_are_as_one_by_one(titles: list[str]) -> None:
    assert record_ids(titles) == [record_id(title) for title in titles]
    assert readable_texts(titles) == [readable_text(title) for title in titles]


def test_every_character_is_normalised_alike_at_once() -> None:
    codes = [
        *range(0x4000),
        *range(0xFE00, 0x10000),
        *random.Random(1).sample(range(0x110000), 9_000),
    ]
    titles = ["か" + chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    assert record_ids(titles) == [record_id(title) for title in titles]
