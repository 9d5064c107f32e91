from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.segmentation import Segmenter, python_jieba
from headlines.segmentation.user_dictionary import parse_dictionary

from .jieba_reference import (
    FALLBACK_TEXT,
    TITLES,
    USER_TEXTS,
    USER_WORDS,
    corpus_texts,
    cut_by,
    reference,
    reference_with,
    run_python,
)


@pytest.mark.parametrize("mode", ["precise", "search", "full"])
@pytest.mark.parametrize("engine", ["fast", "jieba"])
@pytest.mark.parametrize("hmm", [True, False])
def test_words_with_a_user_dictionary_are_jiebas(
    dictionary: Callable[..., Path], engine: str, mode: str, hmm: bool
) -> None:
    path = dictionary(USER_WORDS)
    segmenter = Segmenter(engine, mode, hmm, path)
    assert segmenter.effective_engine == "jieba"
    expected = [cut_by(reference_with(path), text, mode, hmm) for text in USER_TEXTS]
    assert segmenter.cut(USER_TEXTS) == expected
    assert expected != [cut_by(reference(), text, mode, hmm) for text in USER_TEXTS]


@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_full_mode_is_jiebas(engine: str) -> None:
    titles = corpus_texts("title")[::10]
    segmenter = Segmenter(engine, "full")
    assert segmenter.effective_engine == "jieba"
    assert segmenter.cut(titles) == [reference().lcut(title, cut_all=True) for title in titles]


def test_fallback_to_jieba_is_logged_once(
    dictionary: Callable[..., Path],
) -> None:
    program = f"""
import json, logging
from pathlib import Path
from headlines.segmentation import Segmenter
messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append([record.levelname, record.getMessage()])
logging.getLogger().addHandler(handler)
path = Path({str(dictionary(USER_WORDS))!r})
for engine in ("jieba", "fast", "fast"):
    Segmenter(engine, "full").cut({TITLES!r})
    Segmenter(engine, dictionary=path).cut({TITLES!r})
    Segmenter(engine).cut({[*TITLES, FALLBACK_TEXT]!r})
print(json.dumps([message for message in messages if "the fast engine" in message[1]]))
"""
    assert run_python(program) == [
        ["WARNING", "in full mode the fast engine falls back to jieba, which is slower"],
        ["WARNING", "with a user dictionary the fast engine falls back to jieba, which is slower"],
    ]


@pytest.mark.parametrize(
    ("content", "entries"),
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
def test_dictionary_entries_are_read_as_by_jieba(
    dictionary: Callable[..., Path], content: str, entries: list[tuple[str, int | None]]
) -> None:
    path = dictionary(content)
    assert list(parse_dictionary(path.read_bytes(), str(path))) == entries
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
def test_any_dictionary_gives_jiebas_frequencies(
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
        ("云计算 5\r李小福 5\r", 1),  # not line ends to jieba
        ("云计算 " + "9" * 16, 1),
        ("云计算 " + "9" * 5000, 1),
        ("云计算 5\n".encode() + "李小福 5\n".encode("gbk"), 2),
        ("云计算 5\n李小福 5\n".encode("utf-16"), 1),
    ],
    ids=lambda value: repr(value)[:20] if isinstance(value, str) else None,
)
@pytest.mark.parametrize("engine", ["fast", "jieba"])
def test_invalid_line_is_refused_by_file_and_number(
    dictionary: Callable[..., Path], engine: str, content: str | bytes, line: int
) -> None:
    path = dictionary(content)
    with pytest.raises(InputError) as refusal:
        Segmenter(engine, dictionary=path)
    assert refusal.value.location == str(path)
    assert refusal.value.problem.startswith(f"line {line} is ")
    assert len(str(refusal.value)) < 400
    str(refusal.value).encode()


def test_unreachable_words_are_logged_once(
    dictionary: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = dictionary("云计算 -5\n好用 300\nEdu Trust认证 2000\n")
    segmenter = Segmenter(dictionary=path)
    Segmenter(dictionary=path)
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{path}: 2 words can never occur")
    assert "云计算 -5" in message
    for text in ("云计算 -5", "Edu Trust认证"):
        assert text not in segmenter.cut([text])[0]


def test_unreadable_dictionary_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match="cannot read the dictionary") as refusal:
            Segmenter(dictionary=path)
        assert refusal.value.location == str(path)


def test_dictionaries_do_not_affect_each_other(dictionary: Callable[..., Path]) -> None:
    text = "云计算机大涨"
    plain, whole = Segmenter("jieba"), Segmenter(dictionary=dictionary(f"{text} 9000", "whole"))
    before = plain.cut([text])
    halves = Segmenter(dictionary=dictionary("云计 90000\n算机 90000", "halves"))
    for _ in range(2):
        assert whole.cut([text]) == [[text]]
        assert halves.cut([text]) == [["云计", "算机", "大涨"]]
        assert plain.cut([text]) == Segmenter().cut([text]) == before
