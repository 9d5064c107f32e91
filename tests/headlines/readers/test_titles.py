import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.readers.titles import (
    MAX_TITLE,
    has_undecodable,
    normalised,
    record_id,
    title_problem,
)

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
        ("股市大涨", None),
        ("🎉", None),
    ],
)
def test_title_problem(title: str | None, problem: str | None) -> None:
    assert title_problem(title) == problem


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
