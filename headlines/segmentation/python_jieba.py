"""jieba itself: the reference, and what cuts the few texts that the fast engine leaves to it.

jieba keeps a compiled dictionary in the shared temporary folder, where another user's file or a
damaged one may stand in its place. Here the dictionary is compiled anew in each process that needs
it (about a second, 130 MB) and no file is kept.
"""

import hashlib
import importlib.util
import logging
import re
import sys
import threading
import warnings
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from headlines.errors import InputError

# jieba's `re_han_default`: it divides a text at all other characters, and cuts what is between.
BLOCK = re.compile("([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)")

_log = logging.getLogger(__name__)
_loading = threading.Lock()
_ENTRY = re.compile(r"(?P<word>.+?)(?: (?P<frequency>[0-9]+))?(?: [a-z]+)?", re.DOTALL)
_MOST_DIGITS = 15  # of a frequency: all of the dictionary's own together have 8


def tokenizer(user_dictionary: Path | None = None, digest: str | None = None) -> Any:
    """A `jieba.Tokenizer` of our own: what is done to jieba elsewhere in the process is not ours.

    Args:
        user_dictionary: a file of jieba's format: a word a line, then, if wanted, its frequency
            and its part of speech, each after one space; UTF-8.
        digest: what `digest_of` gave for it, where the caller counts on that.

    Raises:
        InputError: the user dictionary cannot be read, or is not that of the digest any more.
    """
    with _loading:
        if user_dictionary is None:
            return _stock()
        return _with_user_dictionary(user_dictionary, digest or digest_of(user_dictionary))


def digest_of(user_dictionary: Path) -> str:
    """SHA-256 (hexadecimal) of the bytes of a user dictionary that can be used.

    Raises:
        InputError: it cannot.
    """
    content = _content(user_dictionary)
    _warn_of_words_never_cut(content, str(user_dictionary))
    return hashlib.sha256(content).hexdigest()


def entries(user_dictionary: Path) -> list[tuple[str, int | None]]:
    """The words of a user dictionary, and their frequencies where it has them.

    As in jieba, there are no comments: a line that begins with `#` is a word like others.

    Raises:
        InputError: the file cannot be read, is not UTF-8, or a line is of another form.
    """
    return list(_parsed(_content(user_dictionary), str(user_dictionary)))


@cache
def _stock() -> Any:
    loaded = _jieba().Tokenizer()
    loaded.FREQ, loaded.total = loaded.gen_pfdict(loaded.get_dict_file())
    loaded.initialized = True
    return loaded


@lru_cache(maxsize=4)  # 40 MB each
def _with_user_dictionary(path: Path, digest: str) -> Any:
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            "the dictionary was changed while it was in use",
            str(path),
            "start again: all is then cut with the new one",
        )
    stock = _stock()
    loaded = _jieba().Tokenizer()
    loaded.FREQ, loaded.total, loaded.initialized = stock.FREQ.copy(), stock.total, True
    for word, frequency in _parsed(content, str(path)):
        loaded.add_word(word, frequency)
    return loaded


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the dictionary cannot be read ({error.strerror})", str(path), "give a file of text"
        ) from error


@lru_cache(maxsize=4)
def _parsed(content: bytes, where: str) -> tuple[tuple[str, int | None], ...]:
    found = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            text = line.strip().decode().lstrip("\ufeff")
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {number} is not UTF-8 ({error.reason})", where, "give a file of UTF-8 text"
            ) from error
        if not text:
            continue
        match = _ENTRY.fullmatch(text)
        assert match is not None  # it takes any text there is
        word, frequency = match["word"], match["frequency"]
        # A word with white space other than single spaces is none: the line has a tab, or two
        # spaces, before the frequency. jieba takes frequency 0 for "split this word".
        good = word == " ".join(word.split())
        if frequency is not None:
            good = good and len(frequency) <= _MOST_DIGITS and int(frequency) > 0
        if not good:
            raise InputError(
                f"line {number} is {text!r:.60}, not a word and a frequency above 0",
                where,
                "write a word a line, and if need be a frequency after one space",
            )
        found.append((word, int(frequency) if frequency else None))
    return tuple(found)


@lru_cache(maxsize=4)
def _warn_of_words_never_cut(content: bytes, where: str) -> None:
    """jieba divides a text at white space and most signs first, and takes such words in silence."""
    never = [word for word, _ in _parsed(content, where) if not BLOCK.fullmatch(word)]
    if never:
        _log.warning(
            "%s: %s of its words can never be cut, for jieba divides a text at white space and "
            "most signs first (the first is %r)",
            where,
            len(never),
            never[0][:60],
        )


@cache
def _jieba() -> Any:
    """jieba under a name of our own.

    A program that has jieba too may tell it to split a word (`jieba.del_word`), and jieba then
    splits it for every tokenizer there is.
    """
    found = importlib.util.find_spec("jieba")  # without running its code
    assert found is not None
    assert found.origin is not None
    spec = importlib.util.spec_from_file_location(
        f"{__package__}._jieba",
        found.origin,
        submodule_search_locations=found.submodule_search_locations,
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its own imports look for it there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn about
        spec.loader.exec_module(module)
    return module
