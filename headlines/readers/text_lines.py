"""Lines of text files in a declared encoding, each with its bytes."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headlines.errors import InputError

LONGEST_LINE = 4 << 20  # bytes, or characters of UTF-16 and UTF-32; what comes behind is left out
_PROBE_BYTES = 8 << 20  # enough of a file to tell its encoding


def check_encoding(file: io.BufferedReader, path: Path, encoding: str) -> None:
    """See that a text file is what its encoding says, before a title becomes mojibake.

    Single rows with undecodable bytes are left to the reader; here the file as a whole counts.

    Raises:
        InputError: the encoding is not known, most lines with Chinese text do not decode, or the
            file is UTF-8 though another encoding was declared.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"the encoding {encoding!r} is not known", str(path), "use utf-8, gb18030 or big5"
        ) from None
    head = file.read(_PROBE_BYTES)
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        raise InputError(
            "the file is compressed, and its name does not say so", str(path), "add .gz or .zst"
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not _is_wide(encoding):
        raise InputError("the file is UTF-16", str(path), "add --encoding utf-16")
    good, bad = _decodable_lines(head, "utf-8")
    if _is_utf8(encoding):
        if bad > good:
            raise InputError(
                f"the file is not UTF-8 ({bad} of the first {good + bad} lines with other than "
                "ASCII do not decode)",
                str(path),
                f"add --encoding {_guessed_encoding(head)}, or save it as UTF-8",
            )
    elif good > bad and not _is_wide(encoding):
        raise InputError(f"the file is UTF-8, not {encoding}", str(path), "leave --encoding away")


class Line(NamedTuple):
    """One line of a text file.

    Attributes:
        text: decoded, its line end among it; bytes that do not decode stand as lone surrogates.
        raw: its bytes as they stand in the file.
        end: how many of them are the line end.
    """

    text: str
    raw: bytes
    end: int


def iter_lines(file: io.BufferedReader, encoding: str) -> Iterator[Line]:
    """Lines that end in LF, CR LF or CR. A byte order mark is no part of the first one's text.

    Of a line that is longer than `LONGEST_LINE` there is just the beginning.
    """
    lines = _wide_lines(file, encoding) if _is_wide(encoding) else _byte_lines(file, encoding)
    for number, line in enumerate(lines):
        yield line if number else line._replace(text=line.text.removeprefix("\ufeff"))


def _byte_lines(file: io.BufferedReader, encoding: str) -> Iterator[Line]:
    # Each line by itself: in Big5 some characters have two codes, so that text does not give the
    # bytes of the file back. No code of an encoding read here holds a CR or LF.
    for raw in _raw_lines(file):
        end = 2 if raw.endswith(b"\r\n") else raw.endswith((b"\n", b"\r"))
        yield Line(raw.decode(encoding, "surrogateescape"), raw, end)


def _raw_lines(file: io.BufferedReader) -> Iterator[bytes]:
    begun = b""  # a line whose end was not read yet
    while piece := file.readline(LONGEST_LINE):  # which knows of LF alone
        if not begun and piece.endswith(b"\n") and piece.find(b"\r", 0, -2) < 0:  # as a rule
            yield piece
            continue
        first, *others = piece.splitlines(keepends=True)
        lines = [(begun + first)[:LONGEST_LINE], *others]
        begun = b"" if piece.endswith((b"\n", b"\r")) else lines.pop()
        yield from lines
    if begun:
        yield begun


def _wide_lines(file: io.BufferedReader, encoding: str) -> Iterator[Line]:
    codec = _codec(encoding)
    if codec in {"utf-16", "utf-32"}:
        big = file.peek(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        codec += "-be" if big else "-le"
    text = io.TextIOWrapper(file, codec, errors="surrogatepass", newline="")
    line = ""
    while piece := text.readline(LONGEST_LINE):
        line = (line + piece)[:LONGEST_LINE]
        if piece.endswith(("\n", "\r")):
            yield _encoded(line, codec)
            line = ""
    if line:
        yield _encoded(line, codec)


def _encoded(line: str, codec: str) -> Line:
    end = line[len(line.rstrip("\r\n")) :]
    return Line(line, line.encode(codec, "surrogatepass"), len(end.encode(codec)))


def _codec(encoding: str) -> str:
    return codecs.lookup(encoding).name


def _is_utf8(encoding: str) -> bool:
    return _codec(encoding) in {"utf-8", "utf-8-sig"}


def _is_wide(encoding: str) -> bool:
    return _codec(encoding).startswith(("utf-16", "utf-32"))


def _decodable_lines(content: bytes, encoding: str) -> tuple[int, int]:
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


def _guessed_encoding(content: bytes) -> str:
    for encoding in ("gb18030", "big5"):
        good, bad = _decodable_lines(content, encoding)
        if good > bad:
            return encoding
    return "with the name of its encoding"
