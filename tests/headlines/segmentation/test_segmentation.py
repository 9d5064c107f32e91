"""Words: jieba 0.42.1's own from every engine but `paddle`, and what decides them is named."""

import importlib.metadata
import json
import marshal
import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jieba
import jieba.finalseg
import pytest
import rjieba
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import headlines
from headlines.corpus import inews
from headlines.errors import InputError
from headlines.segmentation import Segmenter, compatible, describe, python_jieba, segment

TITLES = [
    "新华社北京11月20日电",
    "股市大涨3.5%，AI概念股领跑",
    "《流浪地球》票房破40亿 观众：好看！",
]
LEFT_TO_JIEBA = "㐀地大涨\x1c云计算"  # the fast engine leaves texts with such characters to jieba
MODES = ("precise", "search")
# jieba's own example, and lines as people write them.
USER_WORDS = """云计算 5
李小福 2 nr
创新办 3 i
easy_install 3 eng
好用 300
韩玉赏鉴 3 nz
八一双鹿 3 nz
台中
凱特琳 nz
Edu Trust认证 2000
"""
USER_TEXTS = [
    "李小福是创新办主任也是云计算方面的专家; 什么是八一双鹿",
    "例如我输入一个带“韩玉赏鉴”的标题，在自定义词库中也增加了此词为N类",
    "「台中」正確應該不會被切開。mac上可分出「石墨烯」；此時又可以分出來凱特琳了。",
    "easy_install is great, Edu Trust认证好用",
    *TITLES,
    LEFT_TO_JIEBA,
]


@cache
def reference() -> Any:
    """jieba as it comes."""
    assert jieba.__version__ == "0.42.1"
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True  # without a file in the shared temporary folder
    return tokenizer


def reference_with(user_dictionary: Path) -> Any:
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = reference().FREQ.copy(), reference().total
    tokenizer.initialized = True
    tokenizer.load_userdict(str(user_dictionary))
    return tokenizer


def cut_by(tokenizer: Any, text: str, mode: str, hmm: bool) -> list[str]:
    if mode == "search":
        return list(tokenizer.lcut_for_search(text, HMM=hmm))
    return list(tokenizer.lcut(text, cut_all=mode == "full", HMM=hmm))


def check_the_fast_engine(texts: list[str]) -> None:
    """In every mode, with the hidden Markov model and without, its words are jieba's."""
    for mode in MODES:
        for hmm in (True, False):
            found = Segmenter(mode=mode, hmm=hmm).cut(texts)
            for text, words in zip(texts, found, strict=True):
                assert words == cut_by(reference(), text, mode, hmm), (mode, hmm, text)


def words_in_a_new_process(program: str, **environment: str) -> Any:
    """What a program prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def dictionary(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a user dictionary."""

    def write(content: str | bytes, name: str = "words.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# The fast engine and jieba


@given(st.text(max_size=40) | st.text(st.sampled_from("中国人民银行A1.% 　\n，《》"), max_size=40))
def test_the_words_joined_are_the_text(text: str) -> None:
    [words] = segment([text])
    assert "".join(words) == text
    assert "" not in words


def corpus_texts(column: str) -> list[str]:
    texts = [
        row.fields[column]
        for split, path in inews.split_paths().items()
        for row in inews.read_split(path, split)
    ]
    assert len(texts) == 7353
    return texts


def test_every_headline_of_the_corpus_is_cut_as_jieba_cuts_it() -> None:
    check_the_fast_engine(corpus_texts("title"))


@pytest.mark.slow
def test_every_body_of_the_corpus_is_cut_as_jieba_cuts_it() -> None:
    bodies = corpus_texts("content")
    assert sum(map(len, bodies)) > 5_000_000
    check_the_fast_engine(bodies)


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
def test_the_words_of_a_text(engine: str, text: str, words: list[str]) -> None:
    assert segment([text, text], engine) == [words, words]


def test_no_texts_have_no_words() -> None:
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
    found = sorted(w for w, n in reference().FREQ.items() if n and re.search("[^一-龥]", w))
    assert {"T恤", "AT&T", "C++", "c#", "K歌之王", "江南style", "4S店", "γ射线"} <= {*found}
    return found


@cache
def known_words() -> list[str]:
    return sorted(word for word, frequency in reference().FREQ.items() if frequency)


@cache
def unknown_characters() -> list[str]:
    """Han that jieba's hidden Markov model has no probabilities for: every way is as bad."""
    known = {character for state in jieba.finalseg.emit_P.values() for character in state}
    return [chr(code) for code in range(0x4E00, 0x9FD6) if chr(code) not in known]


def one_of(pieces: Callable[[], list[str]]) -> st.SearchStrategy[str]:
    return st.deferred(lambda: st.sampled_from(pieces()))


ASCII = st.text(st.characters(max_codepoint=0x7F), max_size=4)
KNOWN = one_of(known_words)
PIECES = {
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


@pytest.mark.parametrize("pieces", PIECES)
@settings(max_examples=300)
@given(data=st.data())
def test_awkward_texts_are_cut_as_jieba_cuts_them(pieces: str, data: st.DataObject) -> None:
    check_the_fast_engine(["".join(data.draw(st.lists(PIECES[pieces], max_size=20)))])


def random_pieces(seeded: random.Random) -> list[Callable[[], str]]:
    def chosen(pieces: list[str]) -> Callable[[], str]:
        return lambda: seeded.choice(pieces)

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
def test_random_texts_are_cut_as_jieba_cuts_them() -> None:
    seeded = random.Random(20261120)
    pieces = random_pieces(seeded)
    for _ in range(200_000):
        kinds = seeded.sample(pieces, seeded.choice([1, 1, 2, 2, 3, 4, len(pieces)]))
        length = seeded.randrange(1, 25)
        check_the_fast_engine(["".join(seeded.choice(kinds)() for _ in range(length))])


@pytest.mark.slow
def test_every_character_there_is_is_taken_as_jieba_takes_it() -> None:
    for first in (*range(0, 0x40000, 0x1000), 0xE0000):  # elsewhere Unicode has none
        block = [chr(code) for code in range(first, first + 0x1000)]
        check_the_fast_engine([f"中国{c}人a{c}1{c}{c}.5" for c in block])


# User dictionaries and the full mode


@pytest.mark.parametrize("mode", ["precise", "search", "full"])
@pytest.mark.parametrize("engine", ["fast", "jieba"])
@pytest.mark.parametrize("hmm", [True, False])
def test_with_a_user_dictionary_the_words_are_jiebas(
    dictionary: Callable[..., Path], engine: str, mode: str, hmm: bool
) -> None:
    path = dictionary(USER_WORDS)
    segmenter = Segmenter(engine, mode, hmm, path)
    assert segmenter.runs_on == "jieba"
    expected = [cut_by(reference_with(path), text, mode, hmm) for text in USER_TEXTS]
    assert segmenter.cut(USER_TEXTS) == expected
    assert expected != [cut_by(reference(), text, mode, hmm) for text in USER_TEXTS]


@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_the_full_mode_is_jiebas(engine: str) -> None:
    titles = corpus_texts("title")[::10]
    segmenter = Segmenter(engine, "full")
    assert segmenter.runs_on == "jieba"
    assert segmenter.cut(titles) == [reference().lcut(title, cut_all=True) for title in titles]


def test_what_the_fast_engine_leaves_to_jieba_is_said_once(
    dictionary: Callable[..., Path],
) -> None:
    program = f"""
import json, logging
from pathlib import Path
from headlines.segmentation import Segmenter
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append([record.levelname, record.getMessage()])
logging.getLogger().addHandler(handler)
path = Path({str(dictionary(USER_WORDS))!r})
for engine in ("jieba", "fast", "fast"):
    Segmenter(engine, "full").cut({TITLES!r})
    Segmenter(engine, dictionary=path).cut({TITLES!r})
    Segmenter(engine).cut({[*TITLES, LEFT_TO_JIEBA]!r})
print(json.dumps([one for one in said if "the fast engine" in one[1]]))
"""
    assert words_in_a_new_process(program) == [
        ["WARNING", "with full mode the fast engine leaves the cutting to jieba"],
        ["WARNING", "with a user dictionary the fast engine leaves the cutting to jieba"],
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("台中\n凱特琳 nz\n好用 300", [("台中", None), ("凱特琳", None), ("好用", 300)]),
        ("Edu Trust认证 2000 eng", [("Edu Trust认证", 2000)]),
        ("\ufeff云计算 5\n", [("云计算", 5)]),
        ("\n \n云计算 5\r\n\r\n\t\n李小福\r\n", [("云计算", 5), ("李小福", None)]),
        ("  云计算 5 nz  \n李小福", [("云计算", 5), ("李小福", None)]),
        ("#云计算 5\n# 李小福", [("#云计算", 5), ("# 李小福", None)]),
        ("5\n5 5\nnr\nnr 7 nr\n", [("5", None), ("5", 5), ("nr", None), ("nr", 7)]),
        ("云计算 5\n云计算 7\n", [("云计算", 5), ("云计算", 7)]),
        ("", []),
    ],
)
def test_the_entries_of_a_dictionary_are_read_as_jieba_reads_them(
    dictionary: Callable[..., Path], content: str, found: list[tuple[str, int | None]]
) -> None:
    path = dictionary(content)
    assert python_jieba.entries(path) == found
    expected, loaded = reference_with(path), python_jieba.tokenizer(path)
    assert (loaded.total, loaded.FREQ) == (expected.total, expected.FREQ)


WORD = st.text(st.sampled_from("云计算李小福创新办台中aZ5#+._-&%，"), min_size=1, max_size=5)
WORDS = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
FREQUENCY = st.just("") | st.integers(1, 10**14).map(" {}".format)
TAG = st.sampled_from(["", " n", " nr", " eng"])
LINE = st.just("") | st.builds("{}{}{}".format, WORDS, FREQUENCY, TAG)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=st.lists(LINE, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
@example(lines=USER_WORDS.splitlines(), end="\r\n", mark="\ufeff")
def test_any_dictionary_gives_the_frequencies_that_jieba_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, mark: str
) -> None:
    path = tmp_path_factory.mktemp("dictionary") / "words.txt"
    path.write_bytes((mark + end.join(lines)).encode())
    expected, loaded = reference_with(path), python_jieba.tokenizer(path)
    assert loaded.total == expected.total
    assert loaded.FREQ == expected.FREQ
    assert Segmenter(dictionary=path).cut(USER_TEXTS) == [expected.lcut(t) for t in USER_TEXTS]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("云计算 5\n\n李小福 0\n", 3),
        ("李小福 000 nr", 1),
        ("云计算\t5", 1),
        ("好用\n云计算  5", 2),
        ("好用\r\n云计算\u30005", 2),
        ("云计算 5\r李小福 5\r", 1),  # line ends that jieba does not take for such
        ("云计算 " + "9" * 16, 1),
        ("云计算 " + "9" * 5000, 1),
        ("云计算 5\n".encode() + "李小福 5\n".encode("gbk"), 2),
        ("云计算 5\n李小福 5\n".encode("utf-16"), 1),
    ],
    ids=lambda value: repr(value)[:20] if isinstance(value, str) else None,
)
@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_a_line_that_cannot_be_used_is_refused_by_file_and_number(
    dictionary: Callable[..., Path], engine: str, content: str | bytes, line: int
) -> None:
    path = dictionary(content)
    with pytest.raises(InputError) as refusal:
        Segmenter(engine, dictionary=path)
    assert refusal.value.location == str(path)
    assert refusal.value.problem.startswith(f"line {line} is ")
    assert len(str(refusal.value)) < 400
    str(refusal.value).encode()


def test_words_that_can_never_be_cut_are_told_once(
    dictionary: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = dictionary("云计算 -5\n好用 300\nEdu Trust认证 2000\n")
    segmenter = Segmenter(dictionary=path)
    Segmenter(dictionary=path)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith(f"{path}: 2 of its words can never be cut")
    assert "云计算 -5" in told[0]
    for text in ("云计算 -5", "Edu Trust认证"):
        assert text not in segmenter.cut([text])[0]


def test_a_dictionary_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match="the dictionary cannot be read") as refusal:
            Segmenter(dictionary=path)
        assert refusal.value.location == str(path)


def test_dictionaries_do_not_leak_into_each_other(dictionary: Callable[..., Path]) -> None:
    text = "云计算机大涨"
    plain, whole = Segmenter("jieba"), Segmenter(dictionary=dictionary(f"{text} 9000", "whole"))
    before = plain.cut([text])
    halves = Segmenter(dictionary=dictionary("云计 90000\n算机 90000", "halves"))
    for _ in range(2):
        assert whole.cut([text]) == [[text]]
        assert halves.cut([text]) == [["云计", "算机", "大涨"]]
        assert plain.cut([text]) == Segmenter().cut([text]) == before


def test_what_is_done_to_jieba_elsewhere_in_the_process_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jieba.finalseg, "Force_Split_Words", set())
    monkeypatch.setattr(jieba, "dt", jieba.Tokenizer())
    monkeypatch.setattr(jieba.dt, "FREQ", reference().FREQ.copy())
    monkeypatch.setattr(jieba.dt, "total", reference().total)
    monkeypatch.setattr(jieba.dt, "initialized", True)
    texts = ["云计算机大涨", "他叫王大壮", "㐀云计算机大涨，他叫王大壮"]
    segmenters = [Segmenter(engine, mode) for engine in ("fast", "jieba") for mode in MODES]
    before = [segmenter.cut(texts) for segmenter in segmenters]
    assert "王大壮" in before[0][1]

    jieba.dt.add_word("云计算机大涨")
    jieba.dt.del_word("王大壮")  # jieba's model splits it from now on, for every tokenizer
    rjieba.add_word("云计算机大涨", 10**6, None)

    assert jieba.dt.lcut(texts[0]) == rjieba.cut(texts[0]) == [texts[0]]
    assert "王大壮" not in jieba.dt.lcut(texts[1])
    assert [segmenter.cut(texts) for segmenter in segmenters] == before


# Fingerprints


def test_the_fingerprint_names_all_that_decides_the_words() -> None:
    common = {
        "jieba": "0.42.1",
        "mode": "precise",
        "hmm": True,
        "dictionary": "7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8",
    }
    assert Segmenter("jieba").fingerprint() == {"engine": "jieba", **common}
    assert Segmenter("fast").fingerprint() == {
        "engine": "fast",
        "rjieba": importlib.metadata.version("rjieba"),
        **common,
    }


def test_the_fingerprint_is_the_same_in_every_process(dictionary: Callable[..., Path]) -> None:
    path = dictionary(USER_WORDS)
    program = (
        "import json; from headlines.segmentation import Segmenter;"
        "print(json.dumps(Segmenter.from_environment().fingerprint()))"
    )
    found = words_in_a_new_process(
        program, HEADLINES_ENGINE="jieba", HEADLINES_DICTIONARY=str(path), PYTHONHASHSEED="1"
    )
    assert found == Segmenter("jieba", dictionary=path).fingerprint()


def test_fingerprints_are_of_the_same_words_or_not(dictionary: Callable[..., Path]) -> None:
    one, two = dictionary(USER_WORDS, "one"), dictionary("云计算\n", "two")
    copy = dictionary(USER_WORDS, "copy")
    groups = [  # each cuts the same words
        [Segmenter("fast"), Segmenter("jieba")],
        [Segmenter("fast", "search"), Segmenter("jieba", "search")],
        [Segmenter("fast", "full"), Segmenter("jieba", "full")],
        [Segmenter("fast", hmm=False), Segmenter("jieba", hmm=False)],
        [Segmenter(engine, dictionary=d) for engine in ("fast", "jieba") for d in (one, copy)],
        [Segmenter("jieba", dictionary=two)],
        [Segmenter("jieba", "search", dictionary=two)],
        [Segmenter("paddle")],
    ]
    prints = [(n, s, s.fingerprint()) for n, group in enumerate(groups) for s in group]
    for n, one_segmenter, one_print in prints:
        for m, other_segmenter, other_print in prints:
            assert compatible(one_print, other_print) == (n == m), (one_segmenter, other_segmenter)
    assert Segmenter("fast").fingerprint() != Segmenter("jieba").fingerprint()


def test_a_fingerprint_is_described_by_what_is_not_as_by_default(
    dictionary: Callable[..., Path],
) -> None:
    own = Segmenter("fast", "search", False, dictionary(USER_WORDS))
    assert own.digest is not None
    assert describe(own.fingerprint()) == (
        f"jieba, search mode, without HMM, dictionary {own.digest[:8]}"
    )
    for engine in ("fast", "jieba", "paddle"):
        assert describe(Segmenter(engine).fingerprint()) == engine
    assert describe({}) == "an unknown segmenter"


def test_a_dictionary_that_changes_is_another_one(dictionary: Callable[..., Path]) -> None:
    text = "云计算机大涨"
    path = dictionary(f"{text} 9000")
    old = Segmenter(dictionary=path)
    assert old.cut([text]) == [[text]]
    before = dict(old.fingerprint())

    dictionary("云计 90000\n算机 90000")
    new = Segmenter(dictionary=path)

    assert new.cut([text]) == [["云计", "算机", "大涨"]]
    assert not compatible(new.fingerprint(), before)
    assert old.fingerprint() == before
    assert old.cut([text]) == [[text]]  # what it says it cuts with
    assert new != old


def test_words_of_a_changed_dictionary_are_not_given_for_those_of_the_old_one(
    dictionary: Callable[..., Path],
) -> None:
    """As a worker may find it, which loads the dictionary later than it was chosen."""
    path = dictionary("云计算机大涨 9000")
    sent = pickle.dumps(Segmenter(dictionary=path))
    dictionary("大涨 9000")
    late = pickle.loads(sent)
    with pytest.raises(InputError, match="was changed while it was in use") as refusal:
        late.cut(TITLES)
    assert refusal.value.location == str(path)
    dictionary("云计算机大涨 9000")
    assert late.cut(["云计算机大涨"]) == [["云计算机大涨"]]


# Choices that cannot be


@pytest.mark.parametrize(
    "choices",
    [
        {"engine": "Fast"},
        {"engine": ""},
        {"mode": "all"},
        {"engine": "jieba", "mode": ""},
        {"engine": "paddle", "mode": "search"},
        {"engine": "paddle", "hmm": False},
        {"engine": "paddle", "dictionary": Path("words.txt")},
    ],
)
def test_a_choice_that_cannot_be_is_refused(choices: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refusal:
        Segmenter(**choices)
    assert refusal.value.location == "segmenter"
    assert refusal.value.hint


@pytest.mark.parametrize("engine", ["fast", "jieba", "paddle"])
def test_one_text_is_not_taken_for_many(engine: str) -> None:
    with pytest.raises(TypeError, match="a list of texts, not one"):
        segment("股市大涨", engine)


@pytest.mark.parametrize("engine", ["fast", "jieba", "paddle"])
def test_the_pipeline_cuts_with_the_engine_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.delenv("HEADLINES_DICTIONARY", raising=False)
    monkeypatch.setenv("HEADLINES_ENGINE", engine)
    assert Segmenter.from_environment() == Segmenter(engine)


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_setting_it_is_the_fast_engine(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    for name in ("HEADLINES_ENGINE", "HEADLINES_DICTIONARY"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Segmenter.from_environment() == Segmenter("fast", "precise", True, None)


@pytest.mark.parametrize("named", ["words.txt", "~/words.txt", "./a/../words.txt"])
def test_the_dictionary_is_found_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dictionary: Callable[..., Path], named: str
) -> None:
    path = dictionary("股市大涨 9000")
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADLINES_DICTIONARY", named)
    segmenter = Segmenter.from_environment()
    monkeypatch.chdir("/")  # as a worker may
    assert segmenter.dictionary == path.resolve()
    assert segmenter.cut(["股市大涨"]) == [["股市大涨"]]


@pytest.mark.parametrize("value", ["Fast", "jieba ", "lac", "fast,jieba"])
def test_an_engine_that_is_none_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HEADLINES_ENGINE", value)
    with pytest.raises(InputError) as refusal:
        Segmenter.from_environment()
    assert refusal.value.location == "HEADLINES_ENGINE"
    assert repr(value) in refusal.value.problem
    assert "fast, jieba, paddle" in refusal.value.hint


@pytest.mark.parametrize("value", ["missing.txt", ".", "~no-such-user-here/words.txt"])
def test_a_dictionary_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADLINES_DICTIONARY", value)
    with pytest.raises(InputError) as refusal:
        Segmenter.from_environment()
    assert value.strip(".") in str(refusal.value)


def test_the_paddle_engine_takes_no_dictionary_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, dictionary: Callable[..., Path]
) -> None:
    monkeypatch.setenv("HEADLINES_DICTIONARY", str(dictionary(USER_WORDS)))
    monkeypatch.setenv("HEADLINES_ENGINE", "paddle")
    with pytest.raises(InputError, match="no user dictionary"):
        Segmenter.from_environment()


# What surrounds it

CUT_ALL = f"""
import json
from headlines.segmentation import segment
texts = {[*TITLES, LEFT_TO_JIEBA]!r}
print(json.dumps([segment(texts, engine) for engine in ("fast", "jieba")]))
"""


def expected_of_all() -> list[list[list[str]]]:
    return [[reference().lcut(text) for text in [*TITLES, LEFT_TO_JIEBA]]] * 2


def test_no_file_is_left_in_shared_places(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("shared", "home", "cache")]
    for place in places:
        place.mkdir()
    shared, home, cache_home = map(str, places)
    words = words_in_a_new_process(CUT_ALL, TMPDIR=shared, HOME=home, XDG_CACHE_HOME=cache_home)
    assert words == expected_of_all()
    assert [path for place in places for path in place.iterdir()] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"\xe9\x05\x00\x00\x00", marshal.dumps(({"新华社北京": 9, "中": 1}, 10))],
    ids=["empty", "junk", "cut off", "another dictionary"],
)
def test_a_compiled_dictionary_of_others_changes_no_word(tmp_path: Path, content: bytes) -> None:
    cached = tmp_path / "jieba.cache"
    cached.write_bytes(content)
    assert words_in_a_new_process(CUT_ALL, TMPDIR=str(tmp_path)) == expected_of_all()
    assert cached.read_bytes() == content


def test_threads_that_start_at_once_get_the_same_words(dictionary: Callable[..., Path]) -> None:
    program = f"""
import json, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from headlines.segmentation import Segmenter
start = threading.Barrier(8)
path = Path({str(dictionary(USER_WORDS))!r})
def cut(number):
    segmenter = Segmenter(("fast", "jieba")[number % 2], dictionary=path if number > 3 else None)
    start.wait(60)
    return segmenter.cut({USER_TEXTS!r})
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(cut, range(8)))))
"""
    with_words = reference_with(dictionary(USER_WORDS))
    expected = [[tokenizer.lcut(t) for t in USER_TEXTS] for tokenizer in (reference(), with_words)]
    assert words_in_a_new_process(program) == [expected[0]] * 4 + [expected[1]] * 4


HEAVY = (
    "prefect", "tensorflow", "keras", "jieba", "headlines.segmentation._jieba", "pandas",
    "pyarrow", "numpy", "sklearn",
)  # fmt: skip


def loaded_after(statements: str) -> set[str]:
    code = f"{statements}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statements", "loads"),
    [
        ("import headlines", set()),
        ("import headlines.readers, headlines.settings, headlines.storage.layout", set()),
        ("from headlines import segment; segment", {"numpy"}),
        ("from headlines import segment; segment(['股市大涨3.5%，AI'])", {"numpy"}),
        (
            "from headlines import segment; segment(['股市大涨'], 'jieba')",
            {"headlines.segmentation._jieba", "numpy"},
        ),
        ("from headlines import predict; predict", {"numpy"}),
    ],
)
def test_importing_the_package_loads_what_is_needed_alone(statements: str, loads: set[str]) -> None:
    assert loaded_after(statements) == loads


def modules_of_the_room() -> Iterator[str]:
    folder = Path(str(headlines.__file__)).parent
    for path in sorted(folder.rglob("[!_]*.py")):
        yield ".".join(("headlines", *path.relative_to(folder).with_suffix("").parts))


def test_every_module_of_the_room_is_free_of_prefect_and_tensorflow() -> None:
    names = list(modules_of_the_room())
    assert len(names) > 30
    assert {"headlines.segmentation.rust_jieba", "headlines.corpus.token_cache"} <= {*names}
    loaded = loaded_after(f"import importlib; [importlib.import_module(n) for n in {names}]")
    assert loaded.isdisjoint({*HEAVY} - {"pandas", "pyarrow", "numpy"})


def test_the_package_has_no_other_names() -> None:
    missing: Any = "segments"
    with pytest.raises(AttributeError, match="no attribute 'segments'"):
        getattr(headlines, missing)


@pytest.mark.parametrize(
    "text", ["心心心心翰", "兵兵兵兵兵", "网友赞赞赞赞赞", "哈哈哈哈哈哈哈", "重要的事说三遍遍遍遍"]
)
@pytest.mark.parametrize("hmm", [False, True])
def test_a_run_of_one_character_is_cut_as_jieba_cuts_it(text: str, hmm: bool) -> None:
    # The ways to cut it are level but for rounding, and the port rounds otherwise.
    assert Segmenter(hmm=hmm).cut([text]) == [jieba.lcut(text, HMM=hmm)]
    assert Segmenter(mode="search", hmm=hmm).cut([text]) == [jieba.lcut_for_search(text, HMM=hmm)]
