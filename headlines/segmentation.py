"""Cuts Chinese text into words with jieba's precise mode."""

import contextlib
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from headlines.manifest import file_digest

_loading = threading.Lock()


def segment(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, in jieba's precise mode with its hidden Markov model.

    Joined, the words of a text are the text.

    Raises:
        TypeError: `texts` is one text, whose characters would each be taken for a text.
    """
    if isinstance(texts, str):
        raise TypeError("segment takes a list of texts, not one text")
    tokenizer = _tokenizer()
    return [tokenizer.lcut(text) for text in texts]


@cache
def fingerprint() -> dict[str, Any]:
    """All that decides how a text is cut: engine, version, mode, and digest of the dictionary."""
    jieba = _jieba()
    dictionary = Path(jieba.__file__).with_name("dict.txt")
    return {
        "engine": "jieba",
        "version": jieba.__version__,
        "mode": "precise",
        "hmm": True,
        "dictionary": file_digest(dictionary),
    }


def _tokenizer() -> Any:
    with _loading:
        return _loaded_tokenizer()


@cache
def _loaded_tokenizer() -> Any:
    jieba = _jieba()
    tokenizer = jieba.Tokenizer()
    # jieba keeps a compiled dictionary in the shared temporary folder, where another user's
    # file may stand in its place.
    with _cache_directory() as directory:
        tokenizer.tmp_dir = str(directory)
        tokenizer.initialize()
    return tokenizer


def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn about
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


@contextlib.contextmanager
def _cache_directory() -> Iterator[Path]:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with contextlib.ExitStack() as until_loaded:
        try:
            directory = Path(home).expanduser() / "headlines"
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # no home; then each process compiles the dictionary
            temporary = tempfile.TemporaryDirectory(prefix="headlines-")
            directory = Path(until_loaded.enter_context(temporary))
        yield directory
