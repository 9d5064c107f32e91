"""Splits text files in a declared encoding into lines, each with its raw bytes."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from headlines.readers.encodings import codec_name, is_utf8, is_wide, line_problem

MAX_LINE = 4 << 20  # bytes, or characters of UTF-16 and UTF-32; the rest of a line is dropped
_BLOCK = 64 << 10  # characters of UTF-16 and UTF-32 that are split at once
_MARK = "\ufeff"  # the byte order mark
# A line with its end, or a run of blank lines: a small compressed file may hold millions of them.
_LINE_OR_BLANKS: dict[type, re.Pattern[Any]] = {
    str: re.compile(r"[^\r\n]+(?:\r\n|\r|\n)?|[\r\n]+"),
    bytes: re.compile(rb"[^\r\n]+(?:\r\n|\r|\n)?|[\r\n]+"),
}


class Line(NamedTuple):
    """One line of a text file; a run of blank lines may be one.

    Attributes:
        text: the decoded line with its line end; undecodable bytes are lone surrogates.
        raw: its bytes as they are in the file.
        end: how many of these bytes are the line end.
        problem: why it is not in the declared encoding, although it decodes.
    """

    text: str
    raw: bytes
    end: int
    problem: str | None = None


class LineSource(Protocol):
    """What lines are read from: a buffered file, or a part of one."""

    def readline(self, size: int, /) -> bytes:
        """The bytes up to the next LF, but at most so many."""

    def peek(self) -> bytes:
        """Some of the bytes that come next."""

    def read(self, size: int, /) -> bytes:
        """So many bytes."""


def iter_lines(file: io.BufferedReader, encoding: str, max_line: int = MAX_LINE) -> Iterator[Line]:
    """Yield lines that end in LF, CR LF or CR.

    A byte order mark at the start of a line, where files were joined, is no part of its text.
    Lines longer than `max_line` are truncated.
    """
    split = _wide_lines if is_wide(encoding) else byte_lines
    return split(file, encoding, max_line)


def byte_lines(file: LineSource, encoding: str, max_line: int = MAX_LINE) -> Iterator[Line]:
    """Lines as `iter_lines` yields them, in an encoding other than UTF-16 and UTF-32."""
    # Each line is decoded by itself: some characters have two codes in Big5, so encoding the text
    # again would not restore the bytes. No code of these encodings contains a CR or LF.
    is_unmixed = is_utf8(encoding)
    for raw in _raw_lines(file, max_line):
        end = 2 if raw.endswith(b"\r\n") else raw.endswith((b"\n", b"\r"))
        text = raw.decode(encoding, "surrogateescape")
        problem = None if is_unmixed else line_problem(raw, text, encoding)
        yield Line(text.lstrip(_MARK), raw, end, problem)


def _raw_lines(file: LineSource, max_line: int) -> Iterator[bytes]:
    unfinished = b""  # the start of a line whose end was not read yet
    while block := file.readline(max_line):  # splits at LF only
        if not unfinished and block.endswith(b"\n") and block.find(b"\r", 0, -2) < 0:  # usual case
            yield block
            if len(block) <= 2:
                while blank := _leading_line_ends(file):
                    yield file.read(blank)
            continue
        first, *others = _LINE_OR_BLANKS[bytes].findall(block)
        lines = [(unfinished + first)[:max_line], *others]
        unfinished = b"" if block.endswith((b"\n", b"\r")) else lines.pop()
        yield from lines
    if unfinished:
        yield unfinished


def _leading_line_ends(file: LineSource) -> int:
    """How many bytes that come next, of those in the buffer, are line ends."""
    ahead = file.peek()
    return len(ahead) - len(ahead.lstrip(b"\r\n"))


def _wide_lines(file: io.BufferedReader, encoding: str, max_line: int) -> Iterator[Line]:
    codec = codec_name(encoding)
    if codec in {"utf-16", "utf-32"}:
        big_endian = file.peek(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        codec += "-be" if big_endian else "-le"
    text = io.TextIOWrapper(file, codec, errors="surrogatepass", newline="")
    unfinished = ""
    while block := text.read(min(max_line, _BLOCK)):
        first, *others = _LINE_OR_BLANKS[str].findall(block)
        lines = [(unfinished + first)[:max_line], *others]
        unfinished = "" if block.endswith(("\n", "\r")) else lines.pop()
        for line in lines:
            yield _encoded(line, codec)
    if unfinished:
        yield _encoded(unfinished, codec)


def _encoded(line: str, codec: str) -> Line:
    end = line[len(line.rstrip("\r\n")) :]
    raw = line.encode(codec, "surrogatepass")
    return Line(line.lstrip(_MARK), raw, len(end.encode(codec)))
