"""`Segmenter`: engine, mode, model and dictionary, chosen once and named by a fingerprint."""

import importlib.metadata
import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.segmentation import python_jieba, rust_jieba
from headlines.settings import Settings

if TYPE_CHECKING:
    from headlines.segmentation.lac import Lac

ENGINES = ("fast", "jieba", "paddle")
MODES = ("precise", "search", "full")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmenter:
    """How texts are cut into words.

    Attributes:
        engine: `fast` gives the words of `jieba` 0.42.1, twelve times as soon; `jieba` is the
            reference; `paddle` is jieba's paddle mode, another model with other words.
        mode: `precise`: each character in one word; `search`: and the words within long words;
            `full`: all words of the dictionary that the text has.
        hmm: whether words that no dictionary has are guessed by a hidden Markov model.
        dictionary: a user dictionary in jieba's format, or None.
        digest: SHA-256 of the user dictionary as it was when this was made: what it cuts with.

    Raises:
        InputError: there is no such engine or mode, the engine does not have it, or the user
            dictionary cannot be used.
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

    @classmethod
    def from_environment(cls) -> "Segmenter":
        """The same, of the settings in the environment."""
        return cls.from_settings(Settings.from_environment())

    def __post_init__(self) -> None:
        for name, value, known in (("engine", self.engine, ENGINES), ("mode", self.mode, MODES)):
            if value not in known:
                raise InputError(
                    f"there is no {name} {value!r}", "segmenter", f"use {_one_of(known)}"
                )
        choices = (self.mode, self.hmm, self.dictionary)
        if self.engine == "paddle" and choices != ("precise", True, None):
            raise InputError(
                "paddle mode has no other modes, no hidden Markov model to do without, and no user "
                "dictionary",
                "segmenter",
                "leave them out, or use the engine fast or jieba",
            )
        if self.dictionary is not None:
            # Workers may have another working directory.
            object.__setattr__(self, "dictionary", Path(self.dictionary).expanduser().resolve())
            object.__setattr__(self, "digest", python_jieba.digest_of(self.dictionary))

    @property
    def runs_on(self) -> str:
        """The engine that does the work.

        `jieba`, though `fast` was asked for, where the port is not known to give the same words:
        with a user dictionary, and in full mode.
        """
        if self.engine == "fast" and (self.dictionary is not None or self.mode == "full"):
            return "jieba"
        return self.engine

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text. In precise mode, joined, they are the text.

        Raises:
            InputError: the user dictionary was changed before it was first needed.
            TypeError: `texts` is one text, whose characters would each be taken for a text.
        """
        if isinstance(texts, str):
            raise TypeError("cut takes a list of texts, not one text")
        if self.runs_on == "paddle":
            return _lac().cut(texts)
        if self.runs_on == "fast":
            return (rust_jieba.precise if self.mode == "precise" else rust_jieba.search)(
                texts, self.hmm
            )
        if self.engine == "fast":
            _warn_once(self)
        tokenizer = python_jieba.tokenizer(self.dictionary, self.digest)
        if self.mode == "search":
            return [tokenizer.lcut_for_search(text, HMM=self.hmm) for text in texts]
        full = self.mode == "full"
        return [tokenizer.lcut(text, cut_all=full, HMM=self.hmm) for text in texts]

    def fingerprint(self) -> dict[str, Any]:
        """All that decides the words: engine, versions, mode, and digests of the dictionaries."""
        return _fingerprint(self)


def compatible(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two fingerprints are of segmenters that give the same words."""
    return _words_of(one) == _words_of(other)


def describe(fingerprint: dict[str, Any]) -> str:
    """A fingerprint in a few words: the engine, and what is not as by default."""
    parts = [fingerprint.get("engine", "an unknown segmenter")]
    if fingerprint.get("mode", "precise") != "precise":
        parts.append(f"{fingerprint['mode']} mode")
    if not fingerprint.get("hmm", True):
        parts.append("without HMM")
    if "user_dictionary" in fingerprint:
        parts.append(f"dictionary {fingerprint['user_dictionary'][:8]}")
    return ", ".join(parts)


def segment(texts: Sequence[str], engine: str = "fast", mode: str = "precise") -> list[list[str]]:
    """The words of each text: `Segmenter(engine, mode).cut(texts)`."""
    return Segmenter(engine, mode).cut(texts)


def tag(texts: Sequence[str]) -> list[list[tuple[str, str]]]:
    """The words of each text by the engine `paddle`, each with its part of speech."""
    return _lac().tag(texts)


@cache
def _fingerprint(segmenter: Segmenter) -> dict[str, Any]:
    found: dict[str, Any] = {"engine": segmenter.runs_on}
    if segmenter.engine == "paddle":
        return {**found, "model": _lac().fingerprint}
    if segmenter.runs_on == "fast":
        found["rjieba"] = importlib.metadata.version("rjieba")
    spec = importlib.util.find_spec("jieba")  # without running its code
    assert spec is not None
    assert spec.origin is not None
    found |= {
        "jieba": importlib.metadata.version("jieba"),
        "mode": segmenter.mode,
        "hmm": segmenter.hmm,
        "dictionary": file_sha256(Path(spec.origin).with_name("dict.txt")),
    }
    if segmenter.digest is not None:
        found["user_dictionary"] = segmenter.digest
    return found


def _one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}"


def _words_of(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint without what decides how soon the words come, and not which."""
    if fingerprint.get("engine") == "paddle":
        return fingerprint
    return {name: value for name, value in fingerprint.items() if name not in ("engine", "rjieba")}


@cache
def _warn_once(segmenter: Segmenter) -> None:
    why = "full mode" if segmenter.dictionary is None else "a user dictionary"
    _log.warning("with %s the fast engine leaves the cutting to jieba", why)


@cache
def _lac() -> "Lac":
    from headlines.segmentation.lac import Lac

    return Lac.load()
