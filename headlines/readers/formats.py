"""Which files can be read, and how to open them decompressed."""

import contextlib
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from headlines.errors import InputError

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
COMPRESSIONS = (".gz", ".zst")
SUPPORTED_SUFFIXES = f"{', '.join(FORMATS)}, optionally followed by {' or '.join(COMPRESSIONS)}"


def data_suffix(name: str) -> str | None:
    """The suffix of a supported file, such as `.csv` or `.csv.gz`; None for any other file."""
    name = name.lower()
    compression = next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")
    suffix = PurePosixPath(name.removesuffix(compression)).suffix
    return suffix + compression if suffix in FORMATS else None


def compression_suffix(path: Path) -> str:
    """`.gz` or `.zst` of a file that its name says is compressed; else empty."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


def not_a_file(path: Path) -> InputError:
    """The error of a path that exists but cannot be read twice, as files are."""
    if path.is_dir():
        return InputError("not a file", str(path), "pass the files inside it one by one")
    return InputError(
        "a pipe, socket or device, not a file",
        str(path),
        "pipe it into `headlines score -`, with --format unless it is JSON lines",
    )


def natural_order(path: Path) -> tuple[list[list[str | int]], Path]:
    """Sort key of files in folders: `part.2` before `part.10`."""
    names = [re.split(r"(\d+)", name) for name in path.parts]  # every second one is a number
    return [[int(text) if n % 2 else text for n, text in enumerate(name)] for name in names], path


def format_of(path: Path) -> str:
    """The format of a file, compressed or not: one of `FORMATS`.

    Raises:
        InputError: the format is not supported.
    """
    suffix = data_suffix(path.name)
    if suffix is None:
        raise InputError("unsupported file format", str(path), f"use one of {SUPPORTED_SUFFIXES}")
    return next(supported for supported in FORMATS if suffix.startswith(supported))


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file, decompressed, to read it from start to end.

    Raises:
        InputError: the compressed data is damaged or truncated.
        OSError: the file cannot be read.
    """
    compression = compression_suffix(path)
    if not compression:
        with path.open("rb") as file:
            yield file
        return
    try:
        if compression == ".gz":
            with gzip.open(path, "rb") as file:
                yield io.BufferedReader(file)  # faster at reading lines
        else:
            import pyarrow as pa  # Python itself reads zstd only from 3.14 on

            with path.open("rb") as compressed:
                yield io.BufferedReader(pa.CompressedInputStream(compressed, "zstd"))
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"the compressed file is damaged or truncated ({error})", str(path), "upload it again"
        ) from error


@contextlib.contextmanager
def open_seekable(path: Path, work: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file, decompressed, to read it in any order.

    Args:
        path: of the file.
        work: for the decompressed file, which has no name, if this directory exists. The system's
            temporary directory is memory on many machines, and may be too small.

    Raises:
        InputError: the compressed data is damaged or truncated.
        OSError: the file cannot be read, or there is no space to decompress it.
    """
    with open_stream(path) as file:
        if not compression_suffix(path):
            yield file
            return
        directory = work if work and work.is_dir() else None
        with tempfile.TemporaryFile(dir=directory) as decompressed:
            shutil.copyfileobj(file, decompressed, 1 << 20)
            decompressed.seek(0)
            yield decompressed
