"""The files themselves: their endings, and their bytes, unpacked where they are compressed."""

import contextlib
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from headlines.errors import InputError
from headlines.storage.layout import Catalog

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
COMPRESSIONS = (".gz", ".zst")
SUPPORTED_SUFFIXES = f"{', '.join(FORMATS)}, each also with {' or '.join(COMPRESSIONS)} behind it"


def data_suffix(name: str) -> str | None:
    """The ending of a file that can be read, such as `.csv` or `.csv.gz`; None of any other."""
    name = name.lower()
    compression = next((ending for ending in COMPRESSIONS if name.endswith(ending)), "")
    suffix = PurePosixPath(name.removesuffix(compression)).suffix
    return suffix + compression if suffix in FORMATS else None


def format_of(path: Path) -> str:
    """What is in a file, whether it is compressed or not: one of `FORMATS`.

    Raises:
        InputError: its ending is another one.
    """
    suffix = data_suffix(path.name)
    if suffix is None:
        raise InputError(
            f"files of the kind {path.suffix or 'without an ending'!r} are not read",
            str(path),
            f"use one of {SUPPORTED_SUFFIXES}",
        )
    return next(kind for kind in FORMATS if suffix.startswith(kind))


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked, to be read from front to back.

    Raises:
        InputError: they are damaged where they are compressed, or cut off.
        OSError: the file cannot be read.
    """
    compression = path.suffix.lower()
    if compression not in COMPRESSIONS:
        with path.open("rb") as file:
            yield file
        return
    try:
        if compression == ".gz":
            with gzip.open(path, "rb") as file:
                yield io.BufferedReader(file)  # it reads lines sooner than gzip does
        else:
            import pyarrow as pa  # for zstd, which Python has from 3.14 on

            with path.open("rb") as packed:
                yield io.BufferedReader(pa.CompressedInputStream(packed, "zstd"))
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"the compressed file is damaged or not whole ({error})", str(path), "upload it again"
        ) from error


@contextlib.contextmanager
def open_seekable(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked, to be read in any order.

    What is unpacked lies in the data root's `.work`, where there is one, and leaves with the
    process: the system's own place is memory on many machines, and a file may unpack to more.

    Raises:
        InputError: they are damaged where they are compressed, or cut off.
        OSError: the file cannot be read, or there is no room to unpack it.
    """
    with open_stream(path) as file:
        if path.suffix.lower() not in COMPRESSIONS:
            yield file
            return
        work = Catalog.from_environment().work
        with tempfile.TemporaryFile(dir=work if work.is_dir() else None) as unpacked:
            shutil.copyfileobj(file, unpacked, 1 << 20)
            unpacked.seek(0)
            yield unpacked
