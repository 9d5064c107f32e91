"""The words do not depend on what else happens in the process or on the machine."""

import marshal
from collections.abc import Callable
from pathlib import Path

import jieba
import jieba.finalseg
import pytest
import rjieba

from headlines.segmentation import Segmenter

from .jieba_reference import (
    FALLBACK_TEXT,
    MODES,
    TITLES,
    USER_TEXTS,
    USER_WORDS,
    reference,
    reference_with,
    run_python,
)


def test_changes_to_jieba_elsewhere_have_no_effect(
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


CUT_ALL = f"""
import json
from headlines.segmentation import segment
texts = {[*TITLES, FALLBACK_TEXT]!r}
print(json.dumps([segment(texts, engine) for engine in ("fast", "jieba")]))
"""


def expected_of_all() -> list[list[list[str]]]:
    return [[reference().lcut(text) for text in [*TITLES, FALLBACK_TEXT]]] * 2


def test_no_file_is_left_in_shared_directories(tmp_path: Path) -> None:
    directories = [tmp_path / name for name in ("shared", "home", "cache")]
    for directory in directories:
        directory.mkdir()
    shared, home, cache_home = map(str, directories)
    words = run_python(CUT_ALL, TMPDIR=shared, HOME=home, XDG_CACHE_HOME=cache_home)
    assert words == expected_of_all()
    assert [path for directory in directories for path in directory.iterdir()] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"\xe9\x05\x00\x00\x00", marshal.dumps(({"新华社北京": 9, "中": 1}, 10))],
    ids=["empty", "junk", "cut off", "another dictionary"],
)
def test_cached_dictionary_of_others_is_ignored(tmp_path: Path, content: bytes) -> None:
    cached = tmp_path / "jieba.cache"
    cached.write_bytes(content)
    assert run_python(CUT_ALL, TMPDIR=str(tmp_path)) == expected_of_all()
    assert cached.read_bytes() == content


def test_concurrent_threads_get_the_same_words(dictionary: Callable[..., Path]) -> None:
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
    assert run_python(program) == [expected[0]] * 4 + [expected[1]] * 4
