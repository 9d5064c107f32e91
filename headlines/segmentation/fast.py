"""jieba's exact words from `rjieba`, its port to Rust, some ten times sooner.

The port has jieba's dictionary and its hidden Markov model. Where the two differ, found on the
7,353 headlines and bodies of the iNews corpus and on random strings:

- runs of ASCII that jieba's model splits once more (`text-indent` is three words, `1.5em` two):
  split here as jieba does;
- characters of which one holds that they are Han, or white space, and the other not: a text that
  has one is left to jieba itself. So is one that Rust cannot take, with half a surrogate pair;
- a character three times running: the ways to cut it are level but for rounding, and the two round
  their sums of logarithms differently. The block with such a run is left to jieba.

The full mode, which the port takes for another thing, is jieba's own.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from headlines.segmentation import stock

# Everything but what both read alike. Left out: the separators 1C to 1F, which are white space in
# Python alone; Han beyond U+4E00 to U+9FD5, which is Han in Rust alone; surrogates.
_DISPUTED = re.compile(
    "[^\x00-\x1b\x20-\u33ff\u4e00-\u9fd5\ua000-\ud7ff\ue000-\uf8ff\ufb00-\uffff"
    "\U00010000-\U0001ffff]"
)
_RUN_OF_ONE = re.compile(r"([\u4e00-\u9fd5])\1\1")
_BLOCK = re.compile("([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)")  # `re_han_default`: jieba cuts each alone
_MARK = re.compile(r"[+#&._%-]")  # with letters and digits, what jieba holds together at first
_RUN = re.compile(r"[a-zA-Z0-9+#&._%-]{2,}")
_PARTS = re.compile(r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)")  # `re_skip` of `jieba.finalseg`
_WORDS = frozenset({"AT&T", "c#", "C#", "c++", "C++"})  # those of the dictionary stay whole


def precise(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text, as `jieba.lcut` cuts them."""
    cut = _port().cut
    words = []
    for text in texts:
        if _DISPUTED.search(text):
            words.append(stock.tokenizer().lcut(text, HMM=hmm))
        elif _RUN_OF_ONE.search(text):
            words.append([word for block in _BLOCK.split(text) for word in _block(block, hmm)])
        elif hmm and _MARK.search(text):
            words.append(_split_runs(cut(text, True)))
        else:
            words.append(cut(text, hmm))
    return words


def _block(text: str, hmm: bool) -> list[str]:
    if _RUN_OF_ONE.search(text):
        words: list[str] = stock.tokenizer().lcut(text, HMM=hmm)
        return words
    found: list[str] = _port().cut(text, hmm)
    return _split_runs(found) if hmm else found


def search(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text and the words within them, as `jieba.lcut_for_search` has them."""
    has_word = _port().has_word
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
def _port() -> Any:
    import rjieba

    return rjieba.Jieba()  # our own: words added elsewhere in the process do not matter
