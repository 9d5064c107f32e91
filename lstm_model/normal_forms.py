"""Texts in NFKC, many at once, with a table of what it makes of each code point.

Most titles consist of characters that NFKC leaves as they are or replaces by another one.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lstm_model.joined_tokens import JoinedTokens, lengths_of

OTHER = 0  # in the table: a character that `unicodedata` must see with those around it
NOT_READ = 0xFFFFFFFF  # in the table of what is read: no character
_UNREAD = str.maketrans("", "", '。“”"')
# Where NFKC has one character for each, and composes none with the one before: ASCII, quotation
# marks and dashes, CJK punctuation, kana, common Han, and full-width ASCII.
_SIMPLE = (
    *((0x20, 0x7E), (0x2010, 0x2027), (0x3000, 0x3029), (0x3041, 0x3096), (0x30A0, 0x30FF)),
    *((0x4E00, 0x9FA5), (0xFF01, 0xFF5E)),
)


@cache
def normal_forms() -> NDArray[np.uint32]:
    """The code point that NFKC makes of each, or `OTHER`."""
    table = np.full(0x110000, OTHER, np.dtype("<u4"))
    for first, last in _SIMPLE:
        for code in range(first, last + 1):
            normal = unicodedata.normalize("NFKC", chr(code))
            if len(normal) == 1 and not unicodedata.combining(normal):
                table[code] = ord(normal)
    return table


@cache
def read_forms() -> NDArray[np.uint32]:
    """The same for `normalised_text`: `NOT_READ` for a character that it removes."""
    table = normal_forms().copy()
    table[np.isin(table, list(_UNREAD))] = NOT_READ
    return table


def normalised_text(text: str) -> str:
    """The text in NFKC, in which full-width forms are ASCII, without full stops and quotes."""
    return unicodedata.normalize("NFKC", text).translate(_UNREAD)


def normalised_rows(rows: JoinedTokens) -> JoinedTokens:
    """`normalised_text` of rows of one token each."""
    normal = read_forms().take(rows.codes)
    is_read = normal != NOT_READ
    ends = rows.starts + rows.lengths
    positions = np.append(0, np.cumsum(is_read))  # before each character, in the new text
    starts, lengths = positions[rows.starts], positions[ends] - positions[rows.starts]
    text = normal[is_read].tobytes().decode("utf-32-le")
    others_before = np.append(0, np.cumsum(normal == OTHER))
    others = np.flatnonzero(others_before[ends] != others_before[rows.starts])
    texts = [normalised_text(row) for row in rows.tokens_at(others)]
    lengths[others] = lengths_of(texts)
    starts[others] = len(text) + np.cumsum(lengths[others]) - lengths[others]
    return JoinedTokens("".join([text, *texts]), starts, lengths, rows.counts)
