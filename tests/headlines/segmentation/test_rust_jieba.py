import random
import re
from collections.abc import Callable
from functools import cache

import jieba
import jieba.finalseg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.segmentation import Segmenter, rust_jieba, segment

from .jieba_reference import (
    check_fast_engine,
    corpus_texts,
    reference,
)


@given(st.text(max_size=40) | st.text(st.sampled_from("中国人民银行A1.% 　\n，《》"), max_size=40))
def test_joined_words_are_the_text(text: str) -> None:
    [words] = segment([text])
    assert "".join(words) == text
    assert "" not in words


def test_corpus_headlines_are_cut_as_by_jieba() -> None:
    check_fast_engine(corpus_texts("title"))


@pytest.mark.slow
def test_corpus_articles_are_cut_as_by_jieba() -> None:
    bodies = corpus_texts("content")
    assert sum(map(len, bodies)) > 5_000_000
    check_fast_engine(bodies)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("小明硕士毕业于中国科学院计算所", ["小明", "硕士", "毕业", "于", "中国科学院", "计算所"]),
        ("", []),
        ("text-indent:2em", ["text", "-", "indent", ":", "2em"]),
        ("1.5em", ["1.5", "em"]),
        ("上涨3.5%和-2%", ["上涨", "3.5%", "和", "-", "2%"]),
        ("C++与c#和AT&T", ["C++", "与", "c#", "和", "AT&T"]),
        ("江南style与T恤", ["江南style", "与", "T恤"]),
        ("A\r\nB\n\rC", ["A", "\r\n", "B", "\n", "\r", "C"]),
        ("中\x1c国", ["中", "\x1c", "国"]),
        ("中\ud800国", ["中", "\ud800", "国"]),
        ("鿖鿖㐀㐀", ["鿖", "鿖", "㐀", "㐀"]),
        ("👨\u200d👩❤\ufe0f", ["👨", "\u200d", "👩", "❤", "\ufe0f"]),
    ],
)
@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_words_of_a_text(engine: str, text: str, words: list[str]) -> None:
    assert segment([text, text], engine) == [words, words]


def test_empty_list_of_texts() -> None:
    assert segment([]) == []


HAN = "中国人民银行股市大涨的了是在某"
MARKS = "+#&._%-"
SEPARATORS = [
    "\r\n",
    *"\r\n\t\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029\xa0\u2002\u3000\u200b\u180e\ufeff",
]
EMOJI = ["👨\u200d👩\u200d👧", "❤\ufe0f", "🇨🇳", "👍🏽", "1\ufe0f\u20e3", *"\u200d\ufe0f\ufe0e🔥♀"]
FULL_WIDTH = "ＡＢＣａｚ０１９％＋－＃＆．＿，。！？（）《》：；“”ｱﾝ￥\u3000"
FIGURES = [
    *("3.5%", "0.5.5", "100km/h", "-5℃", "2.5亿", "１００", "第3届", "1,000", "v2", "5G", "20%"),
    *("1e-5", ".5", "5.", "99.9.%", "%%", "11月20日", "α1", "5㎡", "½", "²", "٣"),
]


def characters(*ranges: tuple[int, int]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.characters(min_codepoint=first, max_codepoint=last) for first, last in ranges
    )


@cache
def mixed_words() -> list[str]:
    """Words of the dictionary that are not of Han alone."""
    mixed = sorted(w for w, n in reference().FREQ.items() if n and re.search("[^一-龥]", w))
    assert {"T恤", "AT&T", "C++", "c#", "K歌之王", "江南style", "4S店", "γ射线"} <= {*mixed}
    return mixed


@cache
def known_words() -> list[str]:
    return sorted(word for word, frequency in reference().FREQ.items() if frequency)


@cache
def unknown_characters() -> list[str]:
    """Han that jieba's hidden Markov model has no probabilities for: every way is as bad."""
    known = {character for state in jieba.finalseg.emit_P.values() for character in state}
    return [chr(code) for code in range(0x4E00, 0x9FD6) if chr(code) not in known]


def one_of(fragments: Callable[[], list[str]]) -> st.SearchStrategy[str]:
    return st.deferred(lambda: st.sampled_from(fragments()))


ASCII = st.text(st.characters(max_codepoint=0x7F), max_size=4)
KNOWN = one_of(known_words)
FRAGMENTS = {
    "ASCII and marks": st.sampled_from([*"aZ09 :/", *MARKS, *HAN]),
    "all of ASCII": st.characters(max_codepoint=0x7F) | st.sampled_from(HAN),
    "full width": st.sampled_from([*FULL_WIDTH, *HAN, *"aZ09"]),
    "separators": st.sampled_from([*SEPARATORS, *HAN, *"aZ09."]),
    "emoji": st.sampled_from([*EMOJI, *HAN, *"aZ09"]),
    "surrogates": characters((0xD800, 0xDFFF)) | st.sampled_from([*HAN, *"aZ.5😀"]),
    "figures and units": st.sampled_from([*FIGURES, *HAN]),
    "rare ideographs": characters(
        (0x2E80, 0x3007), (0x3400, 0x4DFF), (0x9FA0, 0xA000), (0xF900, 0xFAFF), (0x20000, 0x323AF)
    )
    | st.sampled_from([*HAN, *"a1."]),
    "Han unknown to the model": one_of(unknown_characters) | st.sampled_from(HAN),
    "all Han": characters((0x4E00, 0x9FD5)),
    "words with letters": one_of(mixed_words)
    | one_of(mixed_words).map(str.swapcase)
    | st.sampled_from([*HAN, *MARKS, *"aT1"]),
    "words glued together": KNOWN | KNOWN.map(lambda word: word[1:]),
    "words glued with ASCII": KNOWN | ASCII,
    "everything": st.characters(),
}


@pytest.mark.parametrize("fragments", FRAGMENTS)
@settings(max_examples=300)
@given(data=st.data())
def test_awkward_texts_are_cut_as_by_jieba(fragments: str, data: st.DataObject) -> None:
    check_fast_engine(["".join(data.draw(st.lists(FRAGMENTS[fragments], max_size=20)))])


def random_fragments(seeded: random.Random) -> list[Callable[[], str]]:
    def chosen(fragments: list[str]) -> Callable[[], str]:
        return lambda: seeded.choice(fragments)

    def coded(first: int, end: int) -> Callable[[], str]:
        return lambda: chr(seeded.randrange(first, end))

    known = known_words()
    return [
        *map(chosen, ([*MARKS], [*"abzABZ019"], SEPARATORS, EMOJI, [*FULL_WIDTH], FIGURES)),
        *map(chosen, (unknown_characters(), mixed_words(), known)),
        lambda: seeded.choice(mixed_words()).swapcase(),
        lambda: seeded.choice(known)[:-1],
        lambda: seeded.choice(known)[1:],
        coded(0, 0x80),
        coded(0x4E00, 0x9FD6),
        coded(0x3400, 0x4E00),
        coded(0x9FA0, 0xA000),
        coded(0xD800, 0xE000),
        coded(0xF900, 0xFB00),
        coded(0xFF00, 0x10000),
        coded(0x20000, 0x323B0),
        coded(0, 0x10000),
        coded(0, 0x110000),
    ]


@pytest.mark.slow
def test_random_texts_are_cut_as_by_jieba() -> None:
    seeded = random.Random(20261120)
    fragments = random_fragments(seeded)
    for _ in range(200_000):
        kinds = seeded.sample(fragments, seeded.choice([1, 1, 2, 2, 3, 4, len(fragments)]))
        length = seeded.randrange(1, 25)
        check_fast_engine(["".join(seeded.choice(kinds)() for _ in range(length))])


@pytest.mark.slow
def test_every_unicode_character_is_cut_as_by_jieba() -> None:
    for first in (*range(0, 0x40000, 0x1000), 0xE0000):  # elsewhere Unicode has none
        block = [chr(code) for code in range(first, first + 0x1000)]
        check_fast_engine([f"中国{c}人a{c}1{c}{c}.5" for c in block])


REPEATED = [
    *("心心心心翰", "兵兵兵兵兵", "网友赞赞赞赞赞", "哈哈哈哈哈哈哈", "重要的事说三遍遍遍遍"),
    *("三战" * 3, "不奈" * 3, "七时" * 4, "不敌" * 4, "不克" * 5, "不察" * 7, "人云" * 7),
    *("在《三战三战三战》里", "A三战三战三战1", "口口口口", "待会待会待会待会", "南南" * 5),
]


@pytest.mark.parametrize("text", REPEATED)
@pytest.mark.parametrize("hmm", [False, True])
def test_repeated_characters_are_cut_as_by_jieba(text: str, hmm: bool) -> None:
    # Their cuts have the same score but for rounding, and the port rounds otherwise.
    assert Segmenter(hmm=hmm).cut([text]) == [jieba.lcut(text, HMM=hmm)]
    assert Segmenter(mode="search", hmm=hmm).cut([text]) == [jieba.lcut_for_search(text, HMM=hmm)]


def check_precise(texts: list[str]) -> None:
    for text, words in zip(texts, Segmenter().cut(texts), strict=True):
        assert words == reference().lcut(text), text


def few_characters(seeded: random.Random, characters: list[str]) -> str:
    """A text of few characters, so that each occurs often and in any order."""
    chosen = seeded.choices(characters, k=seeded.randrange(1, 6))
    return "".join(seeded.choices(chosen, k=seeded.randrange(3, 16)))


def test_words_said_several_times_are_cut_as_by_jieba() -> None:
    seeded = random.Random(20261127)
    words = [word for word in known_words() if re.fullmatch("[一-龥]{2,4}", word)]
    check_precise([word * times for times in range(2, 8) for word in seeded.sample(words, 150)])
    check_precise([few_characters(seeded, [*HAN]) for _ in range(500)])
    check_precise([few_characters(seeded, [*"".join(words[::500])]) for _ in range(500)])


@pytest.mark.slow
def test_all_words_said_several_times_are_cut_as_by_jieba() -> None:
    words = [word for word in known_words() if re.fullmatch("[一-龥]{2,4}", word)]
    assert len(words) > 300_000
    for times in range(2, 8):
        check_precise([word * times for word in words if len(word) * times < 16])
    seeded = random.Random(20261127)
    han = [chr(code) for code in range(0x4E00, 0x9FD6)]
    for _ in range(200):
        check_precise([few_characters(seeded, han) for _ in range(500)])


@given(
    st.lists(
        st.text(max_size=12)
        | st.lists(st.sampled_from([*SEPARATORS, *MARKS, *"A1中国三战，"]), max_size=12).map(
            "".join
        )
    )
)
def test_texts_cut_together_are_as_each_alone(texts: list[str]) -> None:
    together = segment(texts)
    assert together == [words for text in texts for words in segment([text])]
    assert together == segment(texts, "jieba")


@pytest.mark.parametrize(
    ("text", "is_left"),
    [
        ("三战三战三战", True),
        ("他说三战三战三战。", True),
        ("雨雨雨，节后的荆州被雨水“承包”！", True),
        ("寻寻觅觅，寻不到答案的官方版", False),  # a word of the dictionary
        ("特别特别特别吵", False),
        ("三战，三战，三战", False),  # in blocks of their own
        ("北京市民在北京的公园里", False),
    ],
)
def test_only_texts_that_may_tie_are_left_to_jieba(text: str, is_left: bool) -> None:
    needs, _ = rust_jieba._needs(rust_jieba._Joined.of(["天气", text]))
    assert [bool(need & rust_jieba._TIE) for need in needs] == [False, is_left]
