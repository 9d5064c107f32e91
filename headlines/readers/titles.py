"""The text of a headline: its record id, and what makes it unusable."""

import hashlib
import re
import unicodedata

MAX_TITLE = 500  # characters; the longest headline of the iNews corpus has 89

TOO_LONG = f"title is longer than {MAX_TITLE} characters"

_UNDECODABLE = re.compile("[\ud800-\udfff]")


def normalised(text: str) -> str:
    """The text in NFKC (full-width forms folded), each run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def record_id(text: str) -> str:
    """The first 32 hexadecimal digits (128 bits) of SHA-256 of the normalised headline.

    Two rows with the same headline have the same id.
    """
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:32]


def has_undecodable(text: str) -> bool:
    """Whether the text has undecodable bytes, which are lone surrogates in it."""
    # Most text is printable, which rules out surrogates 6× faster than the search.
    return not text.isprintable() and _UNDECODABLE.search(text) is not None


def title_problem(title: str | None) -> str | None:
    """Why a title cannot be used; None if it can."""
    if title is None:
        return "title is missing"
    if not title.isprintable():
        if has_undecodable(title):
            return "title has undecodable bytes"
        if "\x00" in title:
            return "title has a NUL character"
    if not any(map(_is_visible, title)):
        return "title is blank"
    if len(title) > MAX_TITLE:
        return TOO_LONG
    return None


def _is_visible(character: str) -> bool:
    return character.isprintable() and not character.isspace()
