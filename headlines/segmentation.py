"""Cuts Chinese text into words with jieba's precise mode."""

import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from headlines.artifact import file_digest

_loading = threading.Lock()


def segment(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, in jieba's precise mode with its hidden Markov model.

    Joined, the words of a text are the text.
    """
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
    tokenizer.tmp_dir = str(_cache_directory())
    tokenizer.initialize()
    return tokenizer


def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has escapes that newer Pythons warn about
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


def _cache_directory() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    directory = Path(home).expanduser() / "headlines"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # no home to write to; then the dictionary is compiled in each process
        return Path(tempfile.mkdtemp(prefix="headlines-"))
    return directory
