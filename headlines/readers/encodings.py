"""Checks that text is in its declared encoding, before a title becomes mojibake.

GB18030, Big5, Shift-JIS and EUC decode most of each other's bytes, so it is the decoded text that
shows which it is: its letters are common ones, or they are not.
"""

import codecs
import re
from pathlib import Path

from headlines.errors import InputError
from headlines.readers.common_characters import HANGUL, KANA, SIMPLIFIED, TRADITIONAL

OTHER_ENCODING = "the line is "  # begins the reason of such a line
PROBE_BYTES = 8 << 20  # read from the start of a file to detect its encoding
_SAMPLE_BYTES = 16 << 10  # of these, decoded to compare encodings
# Encodings in families that have most of their codes in common, and their common letters.
_HAN = SIMPLIFIED | TRADITIONAL
_JAPANESE = _HAN | KANA
_FAMILIES: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("gb18030",), _HAN),
    (("cp950", "big5hkscs"), TRADITIONAL),  # Python's `big5` lacks some characters of cp950
    (("cp932",), _JAPANESE),
    (("euc_jp",), _JAPANESE),
    (("cp949",), HANGUL),
)
# Of UTF-32 first: that of UTF-16 begins like it.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WIDER = {"big5": "cp950", "gb2312": "gb18030", "gbk": "gb18030"}
_GREEK_AND_CYRILLIC = frozenset(map(chr, range(0x370, 0x530)))  # GB 2312 has them too
_ANY = _HAN | KANA | HANGUL | _GREEK_AND_CYRILLIC
_CHINESE = ("gb18030", "cp950")
_ODD = re.compile("[\ud800-\uf8ff\ufffd]")  # for private use, or for bytes that do not decode
# Beyond ASCII; punctuation is common in wrong decodings too.
_LETTER = re.compile(r"[^\W\d_\x00-\x7f]|[\ud800-\uf8ff\ufffd]")
_LONG_UTF8 = re.compile(rb"[\xe2-\xf4][\x80-\xbf]{2}")  # a letter of three bytes or four
_PLAUSIBLE, _CLEAR = 0.35, 0.5  # shares of common letters in a right decoding
_TIMES = 4  # as large a share contradicts the declared encoding
_FEW_LETTERS = 4  # with fewer, nothing is certain


def check_encoding(head: bytes, path: Path, encoding: str) -> None:
    """Check the start of a text file as a whole; single undecodable rows are left to the reader.

    Args:
        head: up to `PROBE_BYTES` of the file.
        path: of the file.
        encoding: the declared one.

    Raises:
        InputError: the encoding is unknown, most lines with Chinese text do not decode, or the
            file is clearly in another encoding.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding {encoding!r}", str(path), "use utf-8, gb18030 or cp950 (Big5)"
        ) from None
    declared_wide = is_wide(encoding)
    wide = _wide_encoding(head)
    if wide is not None and not (declared_wide and _is_same(wide, head, encoding)):
        problem = f"the file is {wide.upper()}" + (f", not {encoding}" if declared_wide else "")
        raise InputError(problem, str(path), f"add --encoding {_without_side(wide, head)}")
    if is_utf8(encoding) and _decodes(head):
        return
    lines = _non_ascii_lines(head)
    good, bad = _decodable_lines(lines, "utf-8")
    if is_utf8(encoding):
        if bad > good and b"\x00" in head:
            raise InputError("the file is not text", str(path), "check where it came from")
        if bad > good:
            raise InputError(
                f"the file is not UTF-8 ({bad} of the first {good + bad} non-ASCII lines do not "
                "decode)",
                str(path),
                f"add --encoding {_suggested_encodings(lines)}, or save the file as UTF-8",
            )
        return
    is_actually_utf8 = good > bad or (declared_wide and not lines)
    if is_actually_utf8 and not (declared_wide and b"\x00" in head):
        raise InputError(f"the file is UTF-8, not {encoding}", str(path), "remove --encoding")
    other = None if declared_wide or not lines else _other_encoding(_sample(lines), encoding)
    if other is not None:
        raise InputError(
            f"the file is {other}, not {encoding}",
            str(path),
            f"give --encoding {other}, or save the file as UTF-8",
        )


def line_problem(raw: bytes, text: str, encoding: str) -> str | None:
    """Why a line is not in the encoding of its file, where that is not UTF-8; None if it may be.

    Args:
        raw: its bytes.
        text: decoded as declared.
        encoding: the declared one.
    """
    if raw.isascii():
        return None
    other = None
    # Most lines pass at once: a quarter of their characters are common letters.
    if _LONG_UTF8.search(raw) and _is_utf8(raw, text):
        other = "UTF-8"
    elif sum(map(_ANY.__contains__, text)) * _TIMES <= len(text) or _ODD.search(text):
        other = _wider_encoding(raw, text, encoding) or _other_encoding(raw, encoding, text)
    return other and f"{OTHER_ENCODING}{other}, not {encoding}"


def _is_utf8(raw: bytes, text: str) -> bool:
    """Whether bytes are rather UTF-8 than what they were decoded as."""
    try:
        as_utf8 = raw.decode()
    except UnicodeDecodeError:
        return False
    # Two bytes of another encoding are easily a letter of UTF-8, three hardly ever.
    long = [letter for letter in as_utf8 if letter >= "\u2000"]
    return len(long) > 2 or (bool(long) and _share(as_utf8, _ANY) >= _share(text, _ANY))


def codec_name(encoding: str) -> str:
    """Python's own name of an encoding."""
    return codecs.lookup(encoding).name


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8, with a byte order mark or without."""
    return codec_name(encoding) in {"utf-8", "utf-8-sig"}


def is_wide(encoding: str) -> bool:
    """Whether an encoding is UTF-16 or UTF-32."""
    return codec_name(encoding).startswith(("utf-16", "utf-32"))


def _wide_encoding(head: bytes) -> str | None:
    """The exact name of UTF-16 or UTF-32 if text is that, with a byte order mark or without."""
    for mark, wide in _MARKS.items():
        if head.startswith(mark):
            return wide
    # Digits, delimiters and line ends have zeros in these encodings, always on the same side.
    start = head[: _SAMPLE_BYTES // 4 * 4]
    zeros = [start[position::4].count(0) for position in range(4)]
    if sum(zeros) < len(start) / 100:
        return None
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    candidates = [
        ("utf-32-le", min(zeros[2:]) >= len(start) // 4 * 0.9),
        ("utf-32-be", min(zeros[:2]) >= len(start) // 4 * 0.9),
        ("utf-16-le", even * 10 < odd),
        ("utf-16-be", odd * 10 < even),
    ]
    for wide, is_likely in candidates:
        text = start.decode(wide, "replace") if is_likely else ""
        if sum(letter.isprintable() or letter in "\t\r\n" for letter in text) > len(text) * 0.9:
            return wide
    return None


def _is_same(wide: str, head: bytes, encoding: str) -> bool:
    """Whether a declared encoding is the one that a file has."""
    return codec_name(encoding) in (wide, _without_side(wide, head)) or (
        wide.endswith("-le") and codec_name(encoding) == wide.removesuffix("-le")
    )


def _without_side(wide: str, head: bytes) -> str:
    """The name without the order of bytes, where a mark says it."""
    return wide[:6] if head.startswith(tuple(_MARKS)) else wide


def _non_ascii_lines(head: bytes) -> list[bytes]:
    lines = head.splitlines()
    if len(head) == PROBE_BYTES and not head.endswith((b"\r", b"\n")):
        lines.pop()  # cut in two by the end of the probe
    return [line for line in lines if not line.isascii()]


def _decodes(head: bytes) -> bool:
    """Whether the whole lines are UTF-8: 20 times faster than line by line."""
    end = len(head)
    if len(head) == PROBE_BYTES:
        end = max(head.rfind(b"\n"), head.rfind(b"\r")) + 1
    try:
        head[:end].decode()
    except UnicodeDecodeError:
        return False
    return True


def _decodable_lines(lines: list[bytes], encoding: str) -> tuple[int, int]:
    """How many lines decode, and how many do not."""
    good = 0
    for line in lines:
        try:
            line.decode(encoding)
            good += 1
        except UnicodeDecodeError:
            pass
    return good, len(lines) - good


def _sample(lines: list[bytes]) -> bytes:
    return b"\n".join(lines[:_SAMPLE_BYTES])[:_SAMPLE_BYTES].rpartition(b"\n")[0] or lines[0]


def _suggested_encodings(lines: list[bytes]) -> str:
    """What to declare for lines that are not UTF-8: one encoding, or all that it may be."""
    sample = _sample(lines)
    shares = _shares(sample)
    best = max(shares, key=lambda name: shares[name])
    names = [best] if shares[best] >= _PLAUSIBLE else []
    names += [name for name in shares if name != best and shares[name] > shares[best] / 2]
    few = len(_LETTER.findall(sample.decode(best, "replace"))) < _FEW_LETTERS
    if few or shares[best] < _CLEAR:
        names += [name for name in _CHINESE if name not in names and _is_possible(sample, name)]
    if len(names) > 1:
        return f"{' or '.join(names)} (whichever shows the titles correctly)"
    return names[0] if names else "with the name of its encoding"


def _shares(raw: bytes) -> dict[str, float]:
    """The share of common letters in each encoding that bytes may be in: the best of a family."""
    shares = {}
    for names, common in _FAMILIES:
        decoded = {name: _share(raw.decode(name, "replace"), common) for name in names}
        best = max(decoded, key=lambda name: decoded[name])
        shares[best] = decoded[best]
    return shares


def _other_encoding(raw: bytes, encoding: str, text: str | None = None) -> str | None:
    """The encoding that bytes clearly are in, and not in the declared one; None if it may be."""
    as_declared = _share(raw.decode(encoding, "replace") if text is None else text, _ANY)
    if as_declared > 1 / _TIMES:
        return None
    shares = _shares(raw)
    shares.pop("euc_jp")  # its kana have the codes that they have in GB 2312
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < max(_CLEAR, _TIMES * as_declared):
        return None
    return best if len(_LETTER.findall(raw.decode(best, "replace"))) >= _FEW_LETTERS else None


def _wider_encoding(raw: bytes, text: str, encoding: str) -> str | None:
    """The encoding with more characters in which a line decodes that does not as declared."""
    wider = _WIDER.get(codec_name(encoding))
    if wider is None or not _ODD.search(text):
        return None
    return wider if _is_possible(raw, wider) else None


def _is_possible(raw: bytes, encoding: str) -> bool:
    return _ODD.search(raw.decode(encoding, "replace")) is None


def _share(text: str, common: frozenset[str]) -> float:
    """The share of letters that are common; without kana, text is hardly Japanese."""
    letters = _LETTER.findall(text)
    if not letters:
        return 0.0
    weight = len(letters) + 2 * len(_ODD.findall(text))
    share = sum(map(common.__contains__, letters)) / weight
    return share / 2 if common is _JAPANESE and KANA.isdisjoint(letters) else share
