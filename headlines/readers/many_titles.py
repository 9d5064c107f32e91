"""`readable_text` and `record_id` of many titles at once, with a table of all code points.

Most titles consist of characters that NFKC leaves as they are or replaces by another one, and their
white space is single spaces. Any other title is left to `headlines.readers.titles`.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headlines.readers.titles import FULL_WIDTH, may_be_invisible, normalised, readable_text
from lstm_model.normal_forms import OTHER, normal_forms

Codes = NDArray[np.uint32]

_LINE_END, _SPACE = ord("\n"), ord(" ")


def readable_texts(texts: Sequence[str]) -> list[str]:
    """`readable_text` of each."""
    codes, ends = _joined(texts)
    readable = list(texts)
    marked = np.flatnonzero(_may_change()[codes])
    for number in np.unique(np.searchsorted(ends, marked, "right")).tolist():
        readable[number] = readable_text(texts[number])
    return readable


def record_ids(texts: Sequence[str]) -> list[str]:
    """`record_id` of each."""
    codes, ends = _joined(texts)
    normal = normal_forms()[codes]
    normal[ends - 1] = _LINE_END
    is_other = normal == OTHER
    # A space that is first, last or after another; `normal` ends with a line end.
    is_space = normal == _SPACE
    is_border = is_space | (normal == _LINE_END)
    is_other |= is_space & (np.roll(is_border, 1) | np.roll(is_border, -1))
    normal[normal == OTHER] = _SPACE
    contents = normal.tobytes().decode("utf-32-le").encode().split(b"\n")
    for number in np.unique(np.searchsorted(ends, np.flatnonzero(is_other), "right")).tolist():
        contents[number] = normalised(texts[number]).encode()
    sha256 = hashlib.sha256
    return [sha256(content).hexdigest()[:32] for content in contents[: len(texts)]]


def _joined(texts: Sequence[str]) -> tuple[Codes, NDArray[np.int64]]:
    """The code points of all texts with a line end after each, and the ends of these."""
    joined = "\n".join([*texts, ""])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    return codes, np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)


@cache
def _may_change() -> NDArray[np.bool_]:
    """Whether `readable_text` may remove or replace each code point."""
    table = np.ones(0x110000, bool)  # also of emoji, which are few
    table[:0x10000] = False
    invisible = may_be_invisible("".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000)))))
    table[[ord(character) for character in (*invisible, *FULL_WIDTH)]] = True
    return table
