"""jieba's exact words from `rjieba`, its port to Rust, 12× faster.

The port has jieba's dictionary and hidden Markov model. The two differ in these cases, found on the
7,353 headlines and bodies of the iNews corpus and on random strings:

- runs of ASCII that jieba's model splits further (`text-indent` into three words, `1.5em` into
  two): split here as jieba does;
- characters that only one of them takes for Han or white space, and lone surrogates, which Rust
  rejects: the block (see `python_jieba.BLOCK`) with such a character is left to jieba;
- the same character three times in a row: its possible cuts differ only by rounding, and the two
  round sums of logarithms differently. The block with such a run is left to jieba.

Full mode has another meaning in the port, so it is jieba's own.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.segmentation import python_jieba

# Bits: what a text with such a character needs, to be cut by jieba or split further.
_JIEBA, _SPLIT = 1, 2
_SHARED = (  # code points, first and last, that both treat alike
    # without the separators 1C to 1F, which are white space only in Python,
    *((0x00, 0x1B), (0x20, 0x33FF)),
    # without Han outside U+4E00 to U+9FD5, which is Han only in Rust,
    *((0x4E00, 0x9FD5), (0xA000, 0xD7FF)),
    # and without surrogates
    *((0xE000, 0xF8FF), (0xFB00, 0x1FFFF)),
)
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FD5
_MARKS = "+#&._%-"  # jieba keeps these together with letters and digits at first

_RUN = re.compile(r"[a-zA-Z0-9+#&._%-]{2,}")
_SUBWORDS = re.compile(r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)")  # `re_skip` of `jieba.finalseg`
_WORDS = frozenset({"AT&T", "c#", "C#", "c++", "C++"})  # words of the dictionary are not split


def precise(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text, as `jieba.lcut` cuts them."""
    cut = _rjieba().cut
    token_lists = []
    for text, needs in zip(texts, _needs(texts), strict=True):
        if needs & _JIEBA:
            token_lists.append(_cut_blocks(text, hmm))
        elif needs & _SPLIT and hmm:
            token_lists.append(_split_runs(cut(text, True)))
        else:
            token_lists.append(cut(text, hmm))
    return token_lists


def _needs(texts: Sequence[str]) -> list[int]:
    """The needs of each text as bits; all texts at once, for speed."""
    if not texts:
        return []
    joined = "\n".join([*texts, ""])  # with line ends, so that none is empty
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    needs = _needs_of_characters()[codes]
    same = codes[1:] == codes[:-1]
    triples = np.flatnonzero(same[1:] & same[:-1])
    is_han = (codes[triples] >= _FIRST_HAN) & (codes[triples] <= _LAST_HAN)
    needs[triples[is_han]] |= _JIEBA
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    text_needs: list[int] = np.bitwise_or.reduceat(needs, np.cumsum(lengths) - lengths).tolist()
    return text_needs


def _cut_blocks(text: str, hmm: bool) -> list[str]:
    blocks = [block for block in python_jieba.BLOCK.split(text) if block]
    words: list[str] = []
    for block, needs in zip(blocks, _needs(blocks), strict=True):
        if needs & _JIEBA:
            words += python_jieba.tokenizer().lcut(block, HMM=hmm)
        else:
            block_words = _rjieba().cut(block, hmm)
            words += _split_runs(block_words) if hmm else block_words
    return words


def search(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text and the words within them, as `jieba.lcut_for_search` gives them."""
    has_word = _rjieba().has_word
    return [
        [subword for word in words for subword in _with_subwords(word, has_word)]
        for words in precise(texts, hmm)
    ]


def _split_runs(words: list[str]) -> list[str]:
    split = []
    for word in words:
        if len(word) > 1 and word.isascii() and _RUN.fullmatch(word) and word not in _WORDS:
            split += [subword for subword in _SUBWORDS.split(word) if subword]
        else:
            split.append(word)
    return split


def _with_subwords(word: str, has_word: Callable[[str], bool]) -> list[str]:
    """The words of two and of three characters within a longer word, then the word itself."""
    subwords = []
    for length in (2, 3):
        if len(word) > length:
            ngrams = (word[start : start + length] for start in range(len(word) - length + 1))
            subwords += [ngram for ngram in ngrams if has_word(ngram)]
    return [*subwords, word]


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

    return rjieba.Jieba()  # a private one: words added elsewhere in the process have no effect
