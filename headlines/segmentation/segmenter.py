"""`Segmenter`: the choice of engine, mode and dictionary, identified by a fingerprint."""

import importlib.metadata
import importlib.util
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.segmentation import python_jieba, rust_jieba
from headlines.segmentation.text_list import text_list
from headlines.settings import Settings
from lstm_model.joined_tokens import JoinedTokens

if TYPE_CHECKING:
    from headlines.segmentation.lac import Lac

ENGINES = ("fast", "jieba", "paddle")
MODES = ("precise", "search", "full")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmenter:
    """How texts are cut into words.

    Attributes:
        engine: `fast` gives the words of `jieba` 0.42.1, 12× faster; `jieba` is the reference;
            `paddle` is jieba's paddle mode, a neural network that gives other words.
        mode: `precise`: each character is in one word; `search`: also the words within long words;
            `full`: every word of the dictionary in the text.
        hmm: whether a hidden Markov model guesses words that are not in the dictionary.
        dictionary: a user dictionary in jieba's format, or None.
        digest: SHA-256 of the user dictionary when the segmenter was created.

    Raises:
        InputError: the engine or mode is unknown, the engine does not support the other choices,
            or the user dictionary cannot be used.
    """

    engine: str = "fast"
    mode: str = "precise"
    hmm: bool = True
    dictionary: Path | None = None
    digest: str | None = field(init=False, default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Segmenter":
        """The pipeline's segmenter, of `HEADLINES_ENGINE` and `HEADLINES_DICTIONARY`.

        Raises:
            InputError: a variable has an invalid value.
        """
        engine, dictionary = settings.engine, settings.dictionary
        if engine not in ENGINES:
            raise InputError(
                f"there is no engine {engine!r}", "HEADLINES_ENGINE", f"use {_one_of(ENGINES)}"
            )
        try:
            path = Path(dictionary).expanduser().resolve() if dictionary else None
        except RuntimeError as error:  # no such user, or a loop of symbolic links
            raise InputError(
                f"{dictionary!r} is not a path ({error})",
                "HEADLINES_DICTIONARY",
                "give the path of a file",
            ) from error
        return cls(engine, dictionary=path)

    def __post_init__(self) -> None:
        for name, value, known in (("engine", self.engine, ENGINES), ("mode", self.mode, MODES)):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}", "segmenter", f"use {_one_of(known)}")
        choices = (self.mode, self.hmm, self.dictionary)
        if self.engine == "paddle" and choices != ("precise", True, None):
            raise InputError(
                "the engine paddle supports no mode but precise, no hmm=False and no user "
                "dictionary",
                "segmenter",
                "remove them, or use the engine fast or jieba",
            )
        if self.dictionary is not None:
            # absolute: workers may have another working directory
            object.__setattr__(self, "dictionary", Path(self.dictionary).expanduser().resolve())
            object.__setattr__(self, "digest", python_jieba.dictionary_sha256(self.dictionary))

    @property
    def effective_engine(self) -> str:
        """The engine that does the work.

        It is `jieba` instead of `fast` with a user dictionary and in full mode, where the Rust port
        may give other words.
        """
        if self.engine == "fast" and (self.dictionary is not None or self.mode == "full"):
            return "jieba"
        return self.engine

    def cut(self, texts: Iterable[str]) -> list[list[str]]:
        """The words of each text. In precise mode, the joined words are the text.

        Args:
            texts: a list, a Series or Index of pandas, an array, or another iterable.

        Raises:
            InputError: an item is not text, or the user dictionary changed before its first use.
            TypeError: `texts` is a string, whose characters would each be taken for a text.
        """
        return self._token_lists(text_list(texts, "text"))

    def cut_joined(self, texts: Sequence[str]) -> JoinedTokens:
        """The words of some hundred texts, as `cut` gives them, without an object for each word.

        Raises:
            InputError: the user dictionary changed before its first use.
        """
        if self.effective_engine == "fast" and self.mode == "precise":
            return rust_jieba.precise_joined(texts, self.hmm)
        return JoinedTokens.of(self._token_lists(texts))

    def _token_lists(self, texts: Sequence[str]) -> list[list[str]]:
        if self.effective_engine == "paddle":
            return _lac().cut(texts)
        if self.effective_engine == "fast":
            cut = rust_jieba.search if self.mode == "search" else rust_jieba.precise
            return cut(texts, self.hmm)
        if self.engine == "fast":
            _warn_once(self)
        tokenizer = python_jieba.tokenizer(self.dictionary, self.digest)
        if self.mode == "search":
            return [tokenizer.lcut_for_search(text, HMM=self.hmm) for text in texts]
        full = self.mode == "full"
        return [tokenizer.lcut(text, cut_all=full, HMM=self.hmm) for text in texts]

    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the words: engine, versions, mode, digests of dictionaries."""
        return _fingerprint(self)


def compatible(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the segmenters of two fingerprints give the same words."""
    return _word_settings(one) == _word_settings(other)


def describe(fingerprint: dict[str, Any]) -> str:
    """A short description of a fingerprint: the engine and what differs from the defaults."""
    parts = [fingerprint.get("engine", "an unknown segmenter")]
    if fingerprint.get("mode", "precise") != "precise":
        parts.append(f"{fingerprint['mode']} mode")
    if not fingerprint.get("hmm", True):
        parts.append("without HMM")
    if "user_dictionary" in fingerprint:
        parts.append(f"dictionary {fingerprint['user_dictionary'][:8]}")
    return ", ".join(parts)


def segment(texts: Iterable[str], engine: str = "fast", mode: str = "precise") -> list[list[str]]:
    """The words of each text: `Segmenter(engine, mode).cut(texts)`."""
    return Segmenter(engine, mode).cut(texts)


def tag(texts: Iterable[str]) -> list[list[tuple[str, str]]]:
    """The words of each text with their parts of speech, by the engine `paddle`."""
    return _lac().tag(text_list(texts, "text"))


@cache
def _fingerprint(segmenter: Segmenter) -> dict[str, Any]:
    fingerprint: dict[str, Any] = {"engine": segmenter.effective_engine}
    if segmenter.engine == "paddle":
        return {**fingerprint, "model": _lac().fingerprint}
    if segmenter.effective_engine == "fast":
        fingerprint["rjieba"] = importlib.metadata.version("rjieba")
    spec = importlib.util.find_spec("jieba")  # without running its code
    assert spec is not None
    assert spec.origin is not None
    fingerprint |= {
        "jieba": importlib.metadata.version("jieba"),
        "mode": segmenter.mode,
        "hmm": segmenter.hmm,
        "dictionary": file_sha256(Path(spec.origin).with_name("dict.txt")),
    }
    if segmenter.digest is not None:
        fingerprint["user_dictionary"] = segmenter.digest
    return fingerprint


def _one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}"


def _word_settings(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint without what affects only the speed."""
    if fingerprint.get("engine") == "paddle":
        return fingerprint
    return {name: value for name, value in fingerprint.items() if name not in ("engine", "rjieba")}


@cache
def _warn_once(segmenter: Segmenter) -> None:
    reason = "in full mode" if segmenter.dictionary is None else "with a user dictionary"
    _log.warning("%s the fast engine falls back to jieba, which is slower", reason)


@cache
def _lac() -> "Lac":
    from headlines.segmentation.lac import Lac

    return Lac.load()
