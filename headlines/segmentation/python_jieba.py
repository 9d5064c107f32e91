"""jieba itself: the reference engine, and its model of unknown words, which the fast one needs too.

jieba caches its compiled dictionary in the shared temporary directory, where the file may be
damaged or another user's. Here each process that needs the dictionary compiles it (about a second,
130 MB) and writes no file.
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
from headlines.segmentation.user_dictionary import parse_dictionary, read_dictionary

# jieba's `re_han_default`: jieba first splits a text into runs of these characters and the rest.
BLOCK = re.compile("([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)")

_log = logging.getLogger(__name__)
_loading = threading.Lock()


def tokenizer(user_dictionary: Path | None = None, digest: str | None = None) -> Any:
    """A `jieba.Tokenizer` that changes to jieba elsewhere in the process do not affect.

    Args:
        user_dictionary: see `headlines.segmentation.user_dictionary`.
        digest: the `dictionary_sha256` that the caller expects.

    Raises:
        InputError: the user dictionary cannot be read, or its digest is another one.
    """
    with _loading:
        if user_dictionary is None:
            return _default_tokenizer()
        return _custom_tokenizer(user_dictionary, digest or dictionary_sha256(user_dictionary))


def guess_words(text: str) -> list[str]:
    """The words of a text in which the dictionary has none, by jieba's hidden Markov model."""
    with _loading:
        model = _jieba().finalseg
    return list(model.cut(text))


def dictionary_sha256(user_dictionary: Path) -> str:
    """SHA-256 (hexadecimal) of a user dictionary, after checking its lines.

    Raises:
        InputError: it cannot be used.
    """
    content = read_dictionary(user_dictionary)
    _warn_of_unreachable_words(content, str(user_dictionary))
    return hashlib.sha256(content).hexdigest()


@cache
def _default_tokenizer() -> Any:
    default = _jieba().Tokenizer()
    default.FREQ, default.total = default.gen_pfdict(default.get_dict_file())
    default.initialized = True
    return default


@lru_cache(maxsize=4)  # 40 MB each
def _custom_tokenizer(path: Path, digest: str) -> Any:
    content = read_dictionary(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            "the dictionary changed while it was in use",
            str(path),
            "start again, so that all texts are cut with the new one",
        )
    default = _default_tokenizer()
    custom = _jieba().Tokenizer()
    custom.FREQ, custom.total, custom.initialized = default.FREQ.copy(), default.total, True
    for word, frequency in parse_dictionary(content, str(path)):
        custom.add_word(word, frequency)
    return custom


@lru_cache(maxsize=4)  # once per dictionary
def _warn_of_unreachable_words(content: bytes, location: str) -> None:
    unreachable = [
        word for word, _ in parse_dictionary(content, location) if not BLOCK.fullmatch(word)
    ]
    if unreachable:
        _log.warning(
            "%s: %s words can never occur, because jieba always splits at white space and most "
            "punctuation (the first is %r)",
            location,
            len(unreachable),
            unreachable[0][:60],
        )


@cache
def _jieba() -> Any:
    """A private copy of the module jieba.

    A program may tell jieba to split a word (`jieba.del_word`), which affects every tokenizer of
    the module.
    """
    installed = importlib.util.find_spec("jieba")  # without running its code
    assert installed is not None
    assert installed.origin is not None
    spec = importlib.util.spec_from_file_location(
        f"{__package__}._jieba",
        installed.origin,
        submodule_search_locations=installed.submodule_search_locations,
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its own imports
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in its source
        spec.loader.exec_module(module)
    return module
