"""Checks that a text file is in its declared encoding, before a title becomes mojibake."""

import codecs
import io
from pathlib import Path

from headlines.errors import InputError

_PROBE_BYTES = 8 << 20  # read from the start of a file to detect its encoding


def check_encoding(file: io.BufferedReader, path: Path, encoding: str) -> None:
    """Check the start of a text file as a whole; single undecodable rows are left to the reader.

    Raises:
        InputError: the encoding is unknown, most lines with Chinese text do not decode, or the
            file is UTF-8 but another encoding was declared.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding {encoding!r}", str(path), "use utf-8, gb18030 or big5"
        ) from None
    head = file.read(_PROBE_BYTES)
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        raise InputError(
            "the file is compressed, but its name does not say so",
            str(path),
            "add .gz or .zst to the name",
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not is_wide(encoding):
        raise InputError("the file is UTF-16", str(path), "add --encoding utf-16")
    good, bad = _decodable_lines(head, "utf-8")
    if codec_name(encoding) in {"utf-8", "utf-8-sig"}:
        if bad > good:
            raise InputError(
                f"the file is not UTF-8 ({bad} of the first {good + bad} non-ASCII lines do not "
                "decode)",
                str(path),
                f"add --encoding {_guess_encoding(head)}, or save the file as UTF-8",
            )
    elif good > bad and not is_wide(encoding):
        raise InputError(f"the file is UTF-8, not {encoding}", str(path), "remove --encoding")


def codec_name(encoding: str) -> str:
    """Python's own name of an encoding."""
    return codecs.lookup(encoding).name


def is_wide(encoding: str) -> bool:
    """Whether an encoding is UTF-16 or UTF-32."""
    return codec_name(encoding).startswith(("utf-16", "utf-32"))


def _decodable_lines(content: bytes, encoding: str) -> tuple[int, int]:
    """How many non-ASCII lines decode, and how many do not."""
    good = bad = 0
    lines = content.splitlines()
    if len(content) == _PROBE_BYTES:
        lines.pop()  # cut in two by the end of the probe
    for line in lines:
        if line.isascii():
            continue
        try:
            line.decode(encoding)
            good += 1
        except UnicodeDecodeError:
            bad += 1
    return good, bad


def _guess_encoding(content: bytes) -> str:
    for encoding in ("gb18030", "big5"):
        good, bad = _decodable_lines(content, encoding)
        if good > bad:
            return encoding
    return "with the name of its encoding"
