"""Splits text files in a declared encoding into lines, each with its raw bytes."""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

from headlines.readers.encodings import codec_name, is_wide

MAX_LINE = 4 << 20  # bytes, or characters of UTF-16 and UTF-32; the rest of a line is dropped


class Line(NamedTuple):
    """One line of a text file.

    Attributes:
        text: the decoded line with its line end; undecodable bytes are lone surrogates.
        raw: its bytes as they are in the file.
        end: how many of these bytes are the line end.
    """

    text: str
    raw: bytes
    end: int


def iter_lines(file: io.BufferedReader, encoding: str, max_line: int = MAX_LINE) -> Iterator[Line]:
    """Yield lines that end in LF, CR LF or CR, without a byte order mark in the first one's text.

    Lines longer than `max_line` are truncated.
    """
    split = _wide_lines if is_wide(encoding) else _byte_lines
    lines = split(file, encoding, max_line)
    first = next(lines, None)
    if first is not None:
        yield first._replace(text=first.text.removeprefix("\ufeff"))
        yield from lines


def _byte_lines(file: io.BufferedReader, encoding: str, max_line: int) -> Iterator[Line]:
    # Each line is decoded by itself: some characters have two codes in Big5, so encoding the text
    # again would not restore the bytes. No code of these encodings contains a CR or LF.
    for raw in _raw_lines(file, max_line):
        end = 2 if raw.endswith(b"\r\n") else raw.endswith((b"\n", b"\r"))
        yield Line(raw.decode(encoding, "surrogateescape"), raw, end)


def _raw_lines(file: io.BufferedReader, max_line: int) -> Iterator[bytes]:
    unfinished = b""  # the start of a line whose end was not read yet
    while block := file.readline(max_line):  # splits at LF only
        if not unfinished and block.endswith(b"\n") and block.find(b"\r", 0, -2) < 0:  # usual case
            yield block
            continue
        first, *others = block.splitlines(keepends=True)
        lines = [(unfinished + first)[:max_line], *others]
        unfinished = b"" if block.endswith((b"\n", b"\r")) else lines.pop()
        yield from lines
    if unfinished:
        yield unfinished


def _wide_lines(file: io.BufferedReader, encoding: str, max_line: int) -> Iterator[Line]:
    codec = codec_name(encoding)
    if codec in {"utf-16", "utf-32"}:
        big_endian = file.peek(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        codec += "-be" if big_endian else "-le"
    text = io.TextIOWrapper(file, codec, errors="surrogatepass", newline="")
    line = ""
    while block := text.readline(max_line):
        line = (line + block)[:max_line]
        if block.endswith(("\n", "\r")):
            yield _encoded(line, codec)
            line = ""
    if line:
        yield _encoded(line, codec)


def _encoded(line: str, codec: str) -> Line:
    end = line[len(line.rstrip("\r\n")) :]
    return Line(line, line.encode(codec, "surrogatepass"), len(end.encode(codec)))
