import importlib.metadata
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.segmentation import Segmenter, compatible, describe, segment
from headlines.settings import Settings

from .jieba_reference import (
    TITLES,
    USER_WORDS,
    run_python,
)


def test_fingerprint_has_all_that_decides_the_words() -> None:
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


def test_fingerprint_is_the_same_in_every_process(dictionary: Callable[..., Path]) -> None:
    path = dictionary(USER_WORDS)
    program = (
        "import json; from headlines.segmentation import Segmenter;"
        "from headlines.settings import Settings;"
        "print(json.dumps(Segmenter.from_settings(Settings.from_environment()).fingerprint()))"
    )
    fingerprint = run_python(
        program, HEADLINES_ENGINE="jieba", HEADLINES_DICTIONARY=str(path), PYTHONHASHSEED="1"
    )
    assert fingerprint == Segmenter("jieba", dictionary=path).fingerprint()


def test_fingerprints_are_compatible_for_the_same_words(dictionary: Callable[..., Path]) -> None:
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


def test_description_lists_what_is_not_default(
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


def test_changed_dictionary_gives_another_fingerprint(dictionary: Callable[..., Path]) -> None:
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


def test_dictionary_that_changed_before_use_is_refused(
    dictionary: Callable[..., Path],
) -> None:
    """As a worker may find it, which loads the dictionary later than it was chosen."""
    path = dictionary("云计算机大涨 9000")
    sent = pickle.dumps(Segmenter(dictionary=path))
    dictionary("大涨 9000")
    late = pickle.loads(sent)
    with pytest.raises(InputError, match="changed while it was in use") as refusal:
        late.cut(TITLES)
    assert refusal.value.location == str(path)
    dictionary("云计算机大涨 9000")
    assert late.cut(["云计算机大涨"]) == [["云计算机大涨"]]


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
def test_invalid_choice_is_refused(choices: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refusal:
        Segmenter(**choices)
    assert refusal.value.location == "segmenter"
    assert refusal.value.hint


@pytest.mark.parametrize("engine", ["fast", "jieba", "paddle"])
def test_single_string_is_refused(engine: str) -> None:
    with pytest.raises(TypeError, match="a list of texts, not one"):
        segment("股市大涨", engine)


@pytest.mark.parametrize("engine", ["fast", "jieba", "paddle"])
def test_engine_from_the_environment(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.delenv("HEADLINES_DICTIONARY", raising=False)
    monkeypatch.setenv("HEADLINES_ENGINE", engine)
    assert Segmenter.from_settings(Settings.from_environment()) == Segmenter(engine)


@pytest.mark.parametrize("value", [None, ""])
def test_default_is_the_fast_engine(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    for name in ("HEADLINES_ENGINE", "HEADLINES_DICTIONARY"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Segmenter.from_settings(Settings.from_environment()) == Segmenter(
        "fast", "precise", True, None
    )


@pytest.mark.parametrize("named", ["words.txt", "~/words.txt", "./a/../words.txt"])
def test_dictionary_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dictionary: Callable[..., Path], named: str
) -> None:
    path = dictionary("股市大涨 9000")
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADLINES_DICTIONARY", named)
    segmenter = Segmenter.from_settings(Settings.from_environment())
    monkeypatch.chdir("/")  # as a worker may
    assert segmenter.dictionary == path.resolve()
    assert segmenter.cut(["股市大涨"]) == [["股市大涨"]]


@pytest.mark.parametrize("value", ["Fast", "jieba ", "lac", "fast,jieba"])
def test_unknown_engine_is_refused_naming_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HEADLINES_ENGINE", value)
    with pytest.raises(InputError) as refusal:
        Segmenter.from_settings(Settings.from_environment())
    assert refusal.value.location == "HEADLINES_ENGINE"
    assert repr(value) in refusal.value.problem
    assert "fast, jieba, paddle" in refusal.value.hint


@pytest.mark.parametrize("value", ["missing.txt", ".", "~no-such-user-here/words.txt"])
def test_missing_dictionary_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADLINES_DICTIONARY", value)
    with pytest.raises(InputError) as refusal:
        Segmenter.from_settings(Settings.from_environment())
    assert value.strip(".") in str(refusal.value)


def test_paddle_engine_refuses_a_dictionary(
    monkeypatch: pytest.MonkeyPatch, dictionary: Callable[..., Path]
) -> None:
    monkeypatch.setenv("HEADLINES_DICTIONARY", str(dictionary(USER_WORDS)))
    monkeypatch.setenv("HEADLINES_ENGINE", "paddle")
    with pytest.raises(InputError, match="no user dictionary"):
        Segmenter.from_settings(Settings.from_environment())
