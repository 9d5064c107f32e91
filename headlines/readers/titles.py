"""The text of a headline: its identity, and what makes it unusable."""

import hashlib
import re
import unicodedata

MAX_TITLE = 500  # characters; the longest headline of the iNews corpus has 89

TOO_LONG = f"title is longer than {MAX_TITLE} characters"

_UNDECODABLE = re.compile("[\ud800-\udfff]")


def normalised(text: str) -> str:
    """The text with full-width forms folded (NFKC) and runs of white space made one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def record_id(text: str) -> str:
    """Identity of a headline: the first 32 hexadecimal digits of SHA-256 of its normalised text.

    Two rows with the same headline have the same id; 128 bits keep others apart.
    """
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:32]


def has_undecodable(text: str) -> bool:
    """Whether the text holds bytes that did not decode (they stand as lone surrogates)."""
    # Printable text has no surrogates, and most text is: told six times as soon.
    return not text.isprintable() and _UNDECODABLE.search(text) is not None


def title_problem(title: str | None) -> str | None:
    """Why a title cannot be used; None where it can."""
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


def _is_visible(sign: str) -> bool:
    return sign.isprintable() and not sign.isspace() and sign != ""
