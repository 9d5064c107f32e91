"""Tells by its first bytes what a file is that is not what its name says."""

import re
from pathlib import Path

from headlines.errors import InputError

SIGNATURE_BYTES = 64 << 10  # read from the start of a file to tell what it is

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# A zstd stream may begin with frames that decoders skip.
_SKIPPABLE = tuple(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60))

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}

_SPREADSHEET = "export it as CSV UTF-8"
_DECOMPRESS = "decompress it, or compress it with gzip or zstd"
_DATABASE = "export it as CSV, JSON lines or Parquet"
_BINARY: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office file from before 2007 (.xls)", _SPREADSHEET),
    (b"BZh", "compressed with bzip2", _DECOMPRESS),
    (b"\xfd7zXZ\x00", "compressed with xz", _DECOMPRESS),
    (b"\x04\x22\x4d\x18", "compressed with lz4", _DECOMPRESS),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with snappy", _DECOMPRESS),
    (b"LZIP", "compressed with lzip", _DECOMPRESS),
    (b"\x1f\x9d", "compressed with compress (.Z)", _DECOMPRESS),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "extract the files in it"),
    (b"Rar!\x1a\x07", "a RAR archive", "extract the files in it"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"ARROW1\x00\x00", "an Arrow (Feather) file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"SQLite format 3\x00", "an SQLite database", _DATABASE),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _DATABASE),
    (b"\x93NUMPY", "a NumPy array", _DATABASE),
    (b"\x80\x04\x95", "a Python pickle", _DATABASE),
    (b"\x80\x05\x95", "a Python pickle", _DATABASE),
)
_TEXT = (
    (re.compile(rb"\s*<(!doctype )?html[\s>]", re.I), "an HTML page", "check where it came from"),
    (re.compile(rb"\s*<\?xml\s", re.I), "an XML file", "export it as CSV or JSON lines"),
    (re.compile(rb"%PDF-"), "a PDF", "export the headlines as CSV"),
    (re.compile(rb"\{\\rtf"), "a Rich Text document", "save it as plain text"),
)
_ZIPPED = (
    (b"xl/", "a spreadsheet (.xlsx)", _SPREADSHEET),
    (b"opendocument.spreadsheet", "a spreadsheet (.ods)", _SPREADSHEET),
    (b"Index/", "a spreadsheet (.numbers)", _SPREADSHEET),
    (b"word/", "a Word document (.docx)", "save it as plain text"),
    (b".npy", "a NumPy archive (.npz)", _DATABASE),
    (b"", "a ZIP archive", "extract the files in it"),
)


def compression_of(head: bytes) -> str:
    """The suffix that says how the first bytes of a file are compressed; empty if they are not."""
    if head.startswith(_GZIP):
        return ".gz"
    return ".zst" if head.startswith((_ZSTD, *_SKIPPABLE)) else ""


def check_compression(head: bytes, path: Path, suffix: str) -> None:
    """Check that a file is compressed as the suffix of its name says, if it is at all.

    Raises:
        InputError: it is compressed otherwise, or not.
    """
    actual = compression_of(head)
    if actual == suffix:
        return
    if actual:
        raise InputError(
            f"the file is compressed with {_COMPRESSIONS[actual]}, but its name does not say so",
            str(path),
            f"let its name end in {actual}",
        )
    if len(head) >= len(_ZSTD):
        check_signature(head, path)
        raise InputError(
            f"the file is not compressed with {_COMPRESSIONS[suffix]}",
            str(path),
            f"remove {suffix} from its name, if it is not damaged",
        )


def check_signature(head: bytes, path: Path, file_format: str | None = None) -> None:
    """Check that a file is not of a format that is known and not what its name says.

    Args:
        head: its first bytes, decompressed.
        path: of the file.
        file_format: by its name, such as `.csv`; None for one that is not looked at.

    Raises:
        InputError: it is of another format; the message names it.
    """
    if file_format != ".parquet" and head.startswith(b"PAR1") and _is_binary(head):
        raise InputError(
            "the file is Parquet",
            str(path),
            "let its name end in .parquet, or add --format parquet to `score -`",
        )
    if compression_of(head):
        raise InputError("the file is compressed twice", str(path), "decompress it once")
    if head.startswith(b"PARE"):
        raise encrypted_parquet(path)
    if (what := _foreign(head)) is not None:
        raise InputError(f"the file is {what[0]}", str(path), what[1])
    if file_format == ".parquet" and not b"PAR1".startswith(head[:4]):
        raise InputError(
            "the file is not Parquet",
            str(path),
            "write it as Parquet, or let its name say what it is",
        )


def encrypted_parquet(path: Path) -> InputError:
    """The error of a Parquet file that cannot be read without a key."""
    return InputError("the Parquet file is encrypted", str(path), "write it without encryption")


def _foreign(head: bytes) -> tuple[str, str] | None:
    """What a file is that cannot be read, and what to do with it."""
    for pattern, what, hint in _TEXT:
        if pattern.match(head):
            return what, hint
    if not _is_binary(head):
        return None
    if head.startswith(b"PK\x03\x04"):
        return next((what, hint) for name, what, hint in _ZIPPED if name in head)
    if head[257:262] == b"ustar":
        return "a tar archive", "extract the files in it"
    return next((what[1:] for what in _BINARY if head.startswith(what[0])), None)


def _is_binary(head: bytes) -> bool:
    """Whether there are control characters that no text has."""
    return any(byte in head for byte in range(9))
