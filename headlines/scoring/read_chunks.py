"""Reads files of a batch, one after the other, into pieces of usable rows and rejects.

A piece is an artifact of its own below `.work`, named by what it holds: it can be scored while the
rest of the batch is still read. A small batch is read by the run itself; of one in many files,
stretches of some files each are read by workers, several at a time.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers import ReadOptions
from headlines.readers.formats import COMPRESSIONS
from headlines.readers.rejects import Reject, RejectWriter
from headlines.readers.titles import MAX_TITLE
from headlines.scoring.rows import ValidRow, iter_records, validate_row
from headlines.storage.artifact import Artifact, find_valid, publish, remove
from headlines.storage.bucket.external_files import fetch_external
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

ROWS_FILE = "rows.parquet"  # of the artifact of a piece
REJECTS_FILE = "rejects.parquet"  # of what was read of a batch, where there are any

CHUNK_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


@dataclass(frozen=True)
class ChunkRef:
    """Admitted rows that are scored together, as small plain data.

    Attributes:
        number: its place in the batch, from 0.
        path: of its directory, relative to the data root.
        key: of its artifact.
        rows: how many it has.
        alone: whether the batch has no other.
        read: the share of the batch that was read when it was there; None where that is not known.
        offset: rows of the batch before those that its own `row` counts from.
    """

    number: int
    path: str
    key: str
    rows: int
    alone: bool
    read: float | None
    offset: int = 0


@dataclass(frozen=True)
class ReadJob:
    """Files of a batch that are read one after the other: small plain data for another process.

    Attributes:
        root: the data root.
        place: below it, of what is read until the batch is committed.
        batch: its name.
        stretch: how many like these stand before them in the batch; None if they are all of it.
        paths: of the files, relative to the data root if they lie below it.
        digests: SHA-256 of each.
        reading: how they are to be read.
        piece_rows: how many rows a piece has at most.
        piece_signs: how many characters it has at most, and what the last row has more.
    """

    root: str
    place: str
    batch: str
    stretch: int | None
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    reading: ReadOptions
    piece_rows: int
    piece_signs: int

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, where this process sees them."""
        return tuple(Path(self.root) / path for path in self.paths)

    @property
    def recipe(self) -> Recipe:
        """All that decides what is read of a stretch."""
        config = {
            "batch": self.batch,
            "stretch": self.stretch,
            "reading": asdict(self.reading),
            "piece": [self.piece_rows, self.piece_signs],
        }
        sources = tuple(map(Input, self.paths, self.digests))
        return Recipe("stretch", STAGES["admitted"].version, sources, config)

    @property
    def directory(self) -> Path:
        """Where what is read of a stretch lies until the batch is admitted."""
        return self.directory_of(self.recipe)

    def directory_of(self, recipe: Recipe) -> Path:
        """Where an artifact of the way to the admitted batch lies."""
        return Path(self.root) / self.place / recipe.key[:16]


def read_group(files: ReadJob) -> Artifact:
    """Read a stretch of a batch, or reuse what was read of it: its counts as `read_files` has them.

    Runs in a worker. `row` of its pieces and rejects counts from its own first row.

    Raises:
        InputError: a file cannot be read, or is not, or no longer, the one that was named.
    """
    catalog = Catalog(Path(files.root))
    for path in files.files:
        fetch_external(path)  # of a bucket; the run has brought it to its own machine
    if (before := find_reusable(catalog, files.directory, files.recipe)) is not None:
        return before

    def write(draft: Path) -> dict[str, Any]:
        return read_files(files, draft, lambda _: None)

    return publish(catalog, files.directory, files.recipe, write)


def find_reusable(catalog: Catalog, target: Path, recipe: Recipe) -> Artifact | None:
    """What was read before, if it is there with all its pieces; else it is taken away."""
    before = find_valid(catalog, target, recipe.key)
    if before is None:
        return None
    if all(_is_whole(catalog, piece) for piece in chunk_refs(before)):
        return before
    remove(catalog, target)
    return None


def read_files(files: ReadJob, draft: Path, on_piece: Callable[[ChunkRef], None]) -> dict[str, Any]:
    """Publish the usable rows of files in pieces, and write the others as rejects.

    Args:
        files: what is read.
        draft: directory for `REJECTS`.
        on_piece: told of each piece as soon as it is there, in their order.

    Returns:
        `rows_in`, `admitted`, `cut` (titles that were), `rejected`, `reasons` and `pieces`.

    Raises:
        InputError: a file cannot be read, or changed while it was read.
    """
    books = _ReadCounts(_size_of(files.files))
    pieces = []
    with RejectWriter(draft / REJECTS_FILE) as rejects:
        for columns in _in_pieces(files, _admitted_rows(files, books, rejects)):
            piece = _published(files, columns, books.share)
            on_piece(piece)
            pieces.append(asdict(piece))
    for path, digest in zip(files.files, files.digests, strict=True):
        if _digest_now(path) != digest:
            raise InputError(
                "the file changed while it was read", str(path), "score it when it is whole"
            )
    return {
        "rows_in": books.rows,
        "admitted": books.rows - rejects.count,
        "cut": books.cut,
        "rejected": rejects.count,
        "reasons": dict(rejects.reasons.most_common()),
        "pieces": pieces,
    }


def chunk_refs(admitted: Artifact) -> list[ChunkRef]:
    """The pieces of an admitted batch, or of a stretch of one, in their order."""
    return [ChunkRef(**piece) for piece in admitted.counts["pieces"]]


@dataclass
class _ReadCounts:
    """Rows that were read, titles among them that were cut, and how much of the files that is.

    Attributes:
        size: of the files, in the unit of `read`; None where it is not known.
        rows: how many were read.
        cut: titles that were cut.
        read: bytes of text, or rows of Parquet.
    """

    size: int | None
    rows: int = 0
    cut: int = 0
    read: int = 0

    @property
    def share(self) -> float | None:
        """The share of the files that is read, from 0 to 1."""
        return min(1.0, self.read / self.size) if self.size else None


def _size_of(paths: Sequence[Path]) -> int | None:
    if any(path.suffix.lower() in COMPRESSIONS for path in paths):
        return None
    with contextlib.suppress(OSError, pa.ArrowException):  # the reader says what is wrong with it
        return sum(
            pq.read_metadata(path).num_rows
            if path.suffix.lower() == ".parquet"
            else path.stat().st_size
            for path in paths
        )
    return None


def _digest_now(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def _admitted_rows(files: ReadJob, books: _ReadCounts, rejects: RejectWriter) -> Iterator[ValidRow]:
    alone = files.stretch is None and len(files.paths) == 1
    for record in iter_records(files.files, files.reading, alone=alone):
        books.rows += 1
        books.read += 1 if record.line is None else len(record.line) + 1  # and its line end
        try:
            one = validate_row(record, files.reading)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        books.cut += len(record.fields[files.reading.title_column]) > MAX_TITLE
        yield one


class _Columns:
    """Rows of one piece, as columns: Python's garbage collector looks through tuples, not text."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_last = False
        self.row: list[int] = []
        self.id: list[str | None] = []
        self.title: list[str] = []
        self.extra: list[str | None] = []
        self.signs = 0

    def append(self, one: ValidRow) -> None:
        self.row.append(one.row)
        self.id.append(one.id)
        self.title.append(one.title)
        self.extra.append(one.extra)
        self.signs += len(one.title) + len(one.extra or "") + len(one.id or "")


def _in_pieces(files: ReadJob, rows: Iterator[ValidRow]) -> Iterator[_Columns]:
    columns = _Columns(0)
    for one in rows:
        if len(columns.row) == files.piece_rows or columns.signs >= files.piece_signs:
            yield columns
            columns = _Columns(columns.number + 1)
        columns.append(one)
    if columns.row:
        columns.is_last = True
        yield columns


def _published(files: ReadJob, columns: _Columns, read: float | None) -> ChunkRef:
    data = {name: getattr(columns, name) for name in CHUNK_SCHEMA.names}
    content = pa.BufferOutputStream()
    pq.write_table(pa.table(data, schema=CHUNK_SCHEMA), content, compression="lz4")
    rows = content.getvalue()
    # By the rows themselves: the file may be changing while it is read. By the batch too, and the
    # stretch: another one with the same rows has pieces of its own to take away.
    config = {
        "batch": files.batch,
        "stretch": files.stretch,
        "rows": hashlib.sha256(rows).hexdigest(),
    }
    recipe = Recipe("piece", STAGES["admitted"].version, (), config)

    def write(draft: Path) -> dict[str, Any]:
        (draft / ROWS_FILE).write_bytes(rows)
        return {"rows": len(columns.row)}

    catalog = Catalog(Path(files.root))
    artifact = publish(catalog, files.directory_of(recipe), recipe, write)
    path = catalog.relative(artifact.directory)
    alone = files.stretch is None and columns.number == 0 and columns.is_last
    return ChunkRef(columns.number, path, recipe.key, len(columns.row), alone, read)


def _is_whole(catalog: Catalog, piece: ChunkRef) -> bool:
    return find_valid(catalog, catalog.root / piece.path, piece.key) is not None
