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
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headlines.segmentation import python_jieba
from lstm_model.joined_tokens import Ints, JoinedTokens, lengths_of

Codes = npt.NDArray[np.uint32]
Needs = npt.NDArray[np.uint8]

# Bits: what a text needs: to be cut block by block, as it has characters that the two treat
# differently or a line end; or to have ties broken by jieba's hidden Markov model. And of
# characters, that they are in runs of ASCII.
_BLOCKS, _TIE, _MARK, _LETTER = 1, 2, 4, 8
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


class _Cut(NamedTuple):
    """Texts that were cut together.

    Attributes:
        text: all of them, with a line end after each.
        words: of the text; the line ends are words too.
        starts: positions of the words in the text.
        ends: positions of the line ends in `words`.
    """

    text: str
    words: list[str]
    starts: Ints
    ends: Ints


def precise(texts: Sequence[str], hmm: bool) -> list[list[str]]:
    """The words of each text, as `jieba.lcut` cuts them.

    Most texts are cut together, which takes a third less time: no word crosses a line end.
    """
    rows = []
    for start in range(0, len(texts), AT_ONCE):
        cut = _cut_together(texts[start : start + AT_ONCE], hmm)
        first = 0
        for end in cut.ends.tolist():
            rows.append(cut.words[first:end])
            first = end + 1
    return rows


def precise_joined(texts: Sequence[str], hmm: bool) -> JoinedTokens:
    """The words of some hundred texts, as `precise` gives them."""
    if not texts:
        return JoinedTokens.of([])
    cut = _cut_together(texts, hmm)
    lengths = np.diff(cut.starts, append=len(cut.text))
    counts = np.diff(cut.ends, prepend=-1) - 1
    return JoinedTokens(
        cut.text, np.delete(cut.starts, cut.ends), np.delete(lengths, cut.ends), counts
    )


def _cut_together(texts: Sequence[str], hmm: bool) -> _Cut:
    joined = _Joined.of(texts)
    needs, marks = _needs(joined)
    # The texts that cannot be cut together are blank here, so positions stay.
    alone = np.flatnonzero(needs).tolist()
    together = list(texts)
    for number in alone:
        together[number] = " " * len(texts[number])
    words = _rjieba().cut(_LINE_END.join([*together, ""]) if alone else joined.text, hmm)
    lengths = lengths_of(words)
    starts = np.cumsum(lengths) - lengths
    replaced: list[tuple[int, int, list[str]]] = []  # first word and end, and the new words
    for number in alone:
        first = joined.ends[number - 1] + 1 if number else 0
        positions = np.searchsorted(starts, [first, joined.ends[number]]).tolist()
        replaced.append((*positions, _cut_blocks(texts[number], hmm)))
    if hmm and len(marks):
        marked = np.unique(np.searchsorted(starts, marks, "right") - 1)
        for position in marked.tolist():
            subwords = _split_run(words[position])
            if len(subwords) > 1:
                replaced.append((position, position + 1, subwords))
    if replaced:
        starts = _replace(words, starts, sorted(replaced))
    return _Cut(joined.text, words, starts, np.searchsorted(starts, joined.ends))


def _replace(
    words: list[str], starts: Ints, replaced: Sequence[tuple[int, int, list[str]]]
) -> Ints:
    """Replace some words by others of the same text, and return where all words start then."""
    parts = []
    end_before = 0
    for first, end, new_words in replaced:
        lengths = lengths_of(new_words)
        parts += [starts[end_before:first], starts[first] + np.cumsum(lengths) - lengths]
        end_before = end
    for first, end, new_words in reversed(replaced):
        words[first:end] = new_words
    return np.concatenate([*parts, starts[end_before:]])


class _Joined(NamedTuple):
    """Texts with a line end after each.

    Attributes:
        text: all of them.
        codes: its code points.
        ends: positions of the line ends.
    """

    text: str
    codes: Codes
    ends: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "_Joined":
        text = _LINE_END.join([*texts, ""])
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
        return cls(text, codes, np.cumsum(lengths_of(texts) + 1) - 1)


def _needs(joined: _Joined) -> tuple[Needs, Ints]:
    """The needs of each text as bits, and the positions of marks in runs of ASCII of the others.

    jieba may split a run where a mark is next to another one, or to a letter or digit.
    """
    needs = _needs_of_characters().take(joined.codes)
    needs[joined.ends] = 0
    marks = np.flatnonzero(needs == _MARK)
    is_in_run = (needs[marks - 1] | needs[marks + 1]) & (_MARK | _LETTER) != 0
    marks = marks[is_in_run]
    firsts = np.append(0, joined.ends[:-1] + 1)
    text_needs: Needs = np.bitwise_or.reduceat(needs, firsts)
    text_needs &= _BLOCKS
    for start, end in _runs_with_repeats(joined.codes):
        if _has_repeated_part(joined.text[start:end]):
            number = int(np.searchsorted(joined.ends, start))
            first = int(firsts[number])
            blocks = python_jieba.BLOCK.finditer(joined.text[first : joined.ends[number]])
            if _may_tie(next(block[0] for block in blocks if block.end() > start - first)):
                text_needs[number] |= _TIE
    if text_needs.any():
        marks = marks[text_needs[np.searchsorted(joined.ends, marks)] == 0]
    return text_needs, marks


def _runs_with_repeats(codes: Codes) -> Iterator[tuple[int, int]]:
    """Start and end of the runs of Han in which three characters in a row each occur again.

    The last code is not of Han.
    """
    is_han = (codes >= _FIRST_HAN) & (codes <= _LAST_HAN)
    places = np.flatnonzero(is_han)
    # The characters before it that are not of Han. Two runs with the same number here, in long
    # texts, cost time alone: the caller looks at each run.
    run = (places - np.arange(len(places))) & 0xFFFF
    character = codes[places].astype(np.int64) - _FIRST_HAN
    by_character = np.sort(run << 47 | character << 32 | places)
    again = np.flatnonzero(np.diff(by_character >> 32) == 0)  # the same run and character
    repeated = np.zeros(len(codes), bool)
    repeated[by_character[np.concatenate([again, again + 1])] & 0xFFFFFFFF] = True
    triples = np.flatnonzero(repeated[2:] & repeated[1:-1] & repeated[:-2])
    ends = np.flatnonzero(~is_han)
    for number in np.unique(np.searchsorted(ends, triples)).tolist():
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
        elif hmm and _has_repeated_part(part) and _may_tie(part):
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
    return [subword for word in words for subword in _split_run(word)]


def _split_run(word: str) -> list[str]:
    """The words into which jieba splits a run of ASCII; any other word by itself."""
    if len(word) > 1 and word.isascii() and _RUN.fullmatch(word) and word not in _WORDS:
        return [subword for subword in _SUBWORDS.split(word) if subword]
    return [word]


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
    """A private instance: words added elsewhere in the process have no effect."""
    # `import rjieba` makes an instance of its own too, which takes 0.1 s and 24 MB a process.
    package = find_spec("rjieba")
    assert package is not None, "rjieba is not installed"
    extension = PathFinder.find_spec("rjieba.rjieba", package.submodule_search_locations)
    assert extension is not None
    assert extension.loader is not None
    module = module_from_spec(extension)
    extension.loader.exec_module(module)
    return module.Jieba()
