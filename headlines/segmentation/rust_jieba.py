"""jieba's exact words from `rjieba`, its port to Rust, twelve times as soon.

The port has jieba's dictionary and its hidden Markov model. Where the two differ, found on the
7,353 headlines and bodies of the iNews corpus and on random strings:

- runs of ASCII that jieba's model splits once more (`text-indent` is three words, `1.5em` two):
  split here as jieba does;
- characters of which one holds that they are Han, or white space, and the other not, and half a
  surrogate pair, which Rust cannot take: what stands between two blocks (see `stock.BLOCK`) and has
  such a character is left to jieba itself;
- a character three times running: the ways to cut it are level but for rounding, and the two round
  their sums of logarithms differently. The block with such a run is left to jieba.

The full mode, which the port takes for another thing, is jieba's own.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.segmentation import python_jieba

# What a character, or a text that has it, needs: bits.
_JIEBA, _SPLIT = 1, 2
_SHARED = (  # what both read alike, as first and last code points
    # Without the separators 1C to 1F, which are white space in Python alone,
    *((0x00, 0x1B), (0x20, 0x33FF)),
    # Han beyond U+4E00 to U+9FD5, which is Han in Rust alone,
    *((0x4E00, 0x9FD5), (0xA000, 0xD7FF)),
    # and surrogates.
    *((0xE000, 0xF8FF), (0xFB00, 0x1FFFF)),
)
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FD5
_MARKS = "+#&._%-"  # with letters and digits, what jieba holds together at first

_RUN = re.compile(r"[a-zA-Z0-9+#&._%-]{2,}")
_PARTS = re.compile(r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)")  # `re_skip` of `jieba.finalseg`
_WORDS = frozenset({"AT&T", "c#", "C#", "c++", "C++"})  # those of the dictionary stay whole


def precise(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text, as `jieba.lcut` cuts them."""
    cut = _rjieba().cut
    words = []
    for text, needs in zip(texts, _needs(texts), strict=True):
        if needs & _JIEBA:
            words.append(_cut_blocks(text, hmm))
        elif needs & _SPLIT and hmm:
            words.append(_split_runs(cut(text, True)))
        else:
            words.append(cut(text, hmm))
    return words


def _needs(texts: Sequence[str]) -> list[int]:
    """What each text needs beyond the port, as bits; of all at once, which is soonest."""
    if not texts:
        return []
    joined = "\n".join([*texts, ""])  # each with a line end, so that none is empty
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    needs = _needs_of_characters()[codes]
    same = codes[1:] == codes[:-1]
    thrice = np.flatnonzero(same[1:] & same[:-1])
    is_han = (codes[thrice] >= _FIRST_HAN) & (codes[thrice] <= _LAST_HAN)
    needs[thrice[is_han]] |= _JIEBA
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    found: list[int] = np.bitwise_or.reduceat(needs, np.cumsum(lengths) - lengths).tolist()
    return found


def _cut_blocks(text: str, hmm: bool) -> list[str]:
    blocks = [block for block in python_jieba.BLOCK.split(text) if block]
    words: list[str] = []
    for block, needs in zip(blocks, _needs(blocks), strict=True):
        if needs & _JIEBA:
            words += python_jieba.tokenizer().lcut(block, HMM=hmm)
        else:
            found = _rjieba().cut(block, hmm)
            words += _split_runs(found) if hmm else found
    return words


def search(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text and the words within them, as `jieba.lcut_for_search` has them."""
    has_word = _rjieba().has_word
    return [
        [part for word in words for part in _with_parts(word, has_word)]
        for words in precise(texts, hmm)
    ]


def _split_runs(words: list[str]) -> list[str]:
    split = []
    for word in words:
        if len(word) > 1 and word.isascii() and _RUN.fullmatch(word) and word not in _WORDS:
            split += [part for part in _PARTS.split(word) if part]
        else:
            split.append(word)
    return split


def _with_parts(word: str, has_word: Callable[[str], bool]) -> list[str]:
    """The words of two and of three characters in a longer one, then itself."""
    parts = []
    for length in (2, 3):
        if len(word) > length:
            grams = (word[at : at + length] for at in range(len(word) - length + 1))
            parts += [gram for gram in grams if has_word(gram)]
    return [*parts, word]


@cache
def _needs_of_characters() -> npt.NDArray[np.uint8]:
    needs = np.full(0x110000, _JIEBA, np.uint8)
    for first, last in _SHARED:
        needs[first : last + 1] = 0
    needs[[ord(mark) for mark in _MARKS]] = _SPLIT
    return needs


@cache
def _rjieba() -> Any:
    import rjieba

    return rjieba.Jieba()  # our own: words added elsewhere in the process do not matter
