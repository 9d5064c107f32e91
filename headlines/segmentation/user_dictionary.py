"""Reads user dictionaries in jieba's format, but refuses lines that jieba would misread."""

import re
from functools import lru_cache
from pathlib import Path

from headlines.errors import InputError

_ENTRY = re.compile(r"(?P<word>.+?)(?: (?P<frequency>[0-9]+))?(?: [a-z]+)?", re.DOTALL)
_MAX_DIGITS = 15  # of a frequency; the total of jieba's own dictionary has 8


def read_dictionary(path: Path) -> bytes:
    """The bytes of a dictionary.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the dictionary ({error.strerror})", str(path), "give a text file"
        ) from error


@lru_cache(maxsize=4)
def parse_dictionary(content: bytes, location: str) -> tuple[tuple[str, int | None], ...]:
    """The words of a dictionary with their frequencies, if given.

    Each line is a word, optionally its frequency and its part of speech, separated by one space;
    UTF-8. As in jieba, there are no comments: a line that starts with `#` is a word.

    Raises:
        InputError: a line is not UTF-8 or not of this form.
    """
    entries = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            text = line.strip().decode().lstrip("\ufeff")
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {number} is not UTF-8 ({error.reason})", location, "save the file as UTF-8"
            ) from error
        if not text:
            continue
        match = _ENTRY.fullmatch(text)
        assert match is not None  # the pattern matches any text
        word, frequency = match["word"], match["frequency"]
        # White space other than single spaces means a tab, or two spaces, before the frequency.
        valid = word == " ".join(word.split())
        if frequency is not None:  # jieba takes frequency 0 for "split this word"
            valid = valid and len(frequency) <= _MAX_DIGITS and int(frequency) > 0
        if not valid:
            raise InputError(
                f"line {number} is {text!r:.60}, not a word and a frequency above 0",
                location,
                "write one word per line, optionally with a frequency after one space",
            )
        entries.append((word, int(frequency) if frequency else None))
    return tuple(entries)
