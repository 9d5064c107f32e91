"""jieba's exact words from `rjieba`, its port to Rust, 12× faster.

The port has jieba's dictionary and hidden Markov model. The two differ in these cases, found on the
7,353 headlines and bodies of the iNews corpus and on random strings:

- runs of ASCII that jieba's model splits further (`text-indent` into three words, `1.5em` into
  two): split here as jieba does;
- characters that only one of them takes for Han or white space, and lone surrogates, which Rust
  rejects: a text with such a character is split into blocks (see `python_jieba.BLOCK`) as by jieba,
  for which each of these characters is a word;
- repeated characters (`三战三战三战`): cuts to which the hidden Markov model gives the same score,
  as they have the same characters in the same states in another order. Rounding decides between
  them, and the port has jieba's emission probabilities to six digits only. In a block that may have
  such cuts (see `_may_tie`), what is no word of the dictionary is left to jieba's model. Other
  scores that agree to six digits are not detected: none were met in 8.8 million characters of
  articles.

Full mode has another meaning in the port, so it is jieba's own.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.segmentation import python_jieba
from lstm_model.joined_tokens import JoinedTokens

Needs = npt.NDArray[np.uint8]

# Bits: what a text needs: to be cut block by block, as it has characters that the two treat
# differently or a line end; to have ties broken by jieba's hidden Markov model; or to be split
# further. And of characters, that they are in runs of ASCII.
_BLOCKS, _TIE, _SPLIT, _MARK, _LETTER = 1, 2, 4, 8, 16
_SHARED = (  # code points, first and last, that both treat alike
    # without the separators 1C to 1F, which are white space only in Python,
    *((0x00, 0x1B), (0x20, 0x33FF)),
    # without Han outside U+4E00 to U+9FD5, which is Han only in Rust,
    *((0x4E00, 0x9FD5), (0xA000, 0xD7FF)),
    # and without surrogates
    *((0xE000, 0xF8FF), (0xFB00, 0x1FFFF)),
)
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FD5
_HAN = re.compile("[\u4e00-\u9fd5]{3,}")
_MARKS = "+#&._%-"  # jieba keeps these together with letters and digits at first
_LINE_END = "\n"

AT_ONCE = 500  # texts that are cut together: their words and arrays should fit into a cache
_CHARACTER = re.compile("\r\n|.", re.DOTALL)
_RUN = re.compile(r"[a-zA-Z0-9+#&._%-]{2,}")
_SUBWORDS = re.compile(r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)")  # `re_skip` of `jieba.finalseg`
_WORDS = frozenset({"AT&T", "c#", "C#", "c++", "C++"})  # words of the dictionary are not split


def precise(texts: Sequence[str], hmm: bool) -> JoinedTokens:
    """The words of each text, as `jieba.lcut` cuts them.

    Most texts are cut together, which takes a third less time: no word crosses a line end.
    """
    words: list[str] = []
    ends: list[int] = []
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        first = 0
        needs = _needs_at_once(some)
        for number in [*np.flatnonzero(needs & (_BLOCKS | _TIE)).tolist(), len(some)]:
            _cut_together(some[first:number], needs[first:number], hmm, words, ends)
            if number < len(some):
                words += _cut_blocks(some[number], hmm)
                ends.append(len(words))
                words.append(_LINE_END)
            first = number + 1
    return JoinedTokens(words, ends)


def _cut_together(
    texts: Sequence[str], needs: Needs, hmm: bool, words: list[str], ends: list[int]
) -> None:
    """Add the words of texts that can be cut with others."""
    cut = _rjieba().cut(_LINE_END.join([*texts, ""]), hmm)
    first = 0
    for is_split in (needs & _SPLIT).tolist():
        last = cut.index(_LINE_END, first)
        if is_split and hmm:
            words += _split_runs(cut[first:last])
        else:
            words += cut[first:last]
        ends.append(len(words))
        words.append(_LINE_END)
        first = last + 1


def _needs(texts: Sequence[str]) -> list[int]:
    """The needs of each text as bits."""
    return [
        needs
        for start in range(0, len(texts), AT_ONCE)
        for needs in _needs_at_once(texts[start : start + AT_ONCE]).tolist()
    ]


def _needs_at_once(texts: Sequence[str]) -> Needs:
    joined = _LINE_END.join([*texts, ""])  # so none is empty
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    needs = _needs_of_characters()[codes]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    ends = np.cumsum(lengths)
    needs[ends - 1] = 0
    # A mark next to another or to a letter or digit is in a run that jieba may split.
    marks = np.flatnonzero(needs == _MARK)
    needs[marks[(needs[marks - 1] | needs[marks + 1]) & (_MARK | _LETTER) != 0]] |= _SPLIT
    text_needs: Needs = np.bitwise_or.reduceat(needs, ends - lengths)
    for start, end in _runs_with_repeats(codes):
        if _has_repeated_part(joined[start:end]):
            number = int(np.searchsorted(ends, start, "right"))
            place = start - int(ends[number] - lengths[number])
            blocks = python_jieba.BLOCK.finditer(texts[number])
            if _may_tie(next(block[0] for block in blocks if block.end() > place)):
                text_needs[number] |= _TIE
    return text_needs


def _runs_with_repeats(codes: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Start and end of the runs of Han in which three characters in a row each occur again.

    The last code is not of Han.
    """
    is_han = (codes >= _FIRST_HAN) & (codes <= _LAST_HAN)
    places = np.flatnonzero(is_han)
    by_character = np.sort(codes[places].astype(np.int64) << 40 | places)
    places = by_character & ((1 << 40) - 1)
    run = np.cumsum(~is_han)
    again = (np.diff(by_character >> 40) == 0) & (np.diff(run[places]) == 0)
    repeated = np.zeros(len(codes), bool)
    repeated[places[1:][again]] = repeated[places[:-1][again]] = True
    triples = np.flatnonzero(repeated[2:] & repeated[1:-1] & repeated[:-2])
    ends = np.flatnonzero(~is_han)
    for number in np.unique(run[triples]).tolist():
        yield (int(ends[number - 1]) + 1 if number else 0), int(ends[number])


def _may_tie(block: str) -> bool:
    """Whether the hidden Markov model may score two ways to cut a block alike.

    It cuts runs of characters that are no words of the dictionary. The score of a cut is a sum over
    its characters, each in a state, and over pairs of states. Where two of the best cuts differ,
    from a character to the last one before they agree again, both have the same characters; to have
    the same sum, they have each of them in the same states, in another order. So in that part each
    character occurs twice or more.
    """
    words = _rjieba().cut(block, False)
    return _has_repeated_part("".join(word if len(word) == 1 else " " for word in words))


def _has_repeated_part(text: str) -> bool:
    """Whether each character of some part of a run of Han occurs twice or more in it."""
    parts = _HAN.findall(text)
    while parts:
        part = parts.pop()
        unique = {ord(character): " " for character, times in Counter(part).items() if times == 1}
        if not unique:
            return True
        parts += [inner for inner in part.translate(unique).split(" ") if len(inner) > 2]
    return False


def _cut_blocks(text: str, hmm: bool) -> list[str]:
    words: list[str] = []
    for number, part in enumerate(python_jieba.BLOCK.split(text)):
        if not number % 2:  # between two blocks
            words += _CHARACTER.findall(part)
        elif hmm and _needs([part])[0] & _TIE:
            words += _cut_tied(part)
        else:
            block_words = _rjieba().cut(part, hmm)
            words += _split_runs(block_words) if hmm else block_words
    return words


def _cut_tied(block: str) -> list[str]:
    """The words of a block: those of the dictionary, and jieba's own model for what is left.

    Unlike jieba itself, the model needs no second copy of the dictionary, which takes a second to
    load and 130 MB.
    """
    words: list[str] = []
    unknown = ""
    # Without the model, letters and digits that are no word of the dictionary come together.
    for word in [*_rjieba().cut(block, False), ""]:
        if len(word) == 1 or (word and word.isascii() and word not in _WORDS):
            unknown += word
            continue
        if len(unknown) > 1 and not _rjieba().has_word(unknown):
            words += python_jieba.guess_words(unknown)
        else:
            words += unknown
        unknown = ""
        if word:
            words.append(word)
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
def _needs_of_characters() -> Needs:
    needs = np.full(0x110000, _BLOCKS, np.uint8)
    for first, last in _SHARED:
        needs[first : last + 1] = 0
    needs[[ord(mark) for mark in _MARKS]] = _MARK
    needs[[ord(letter) for letter in string.ascii_letters + string.digits]] = _LETTER
    needs[[ord(end) for end in "\r\n"]] = _BLOCKS
    return needs


@cache
def _rjieba() -> Any:
    import rjieba

    return rjieba.Jieba()  # a private one: words added elsewhere in the process have no effect
