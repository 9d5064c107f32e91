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

from headlines.artifact import Artifact, find, publish, remove
from headlines.batch_rows import Admitted, checked, records_of
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.manifest import Recipe, Source, file_digest
from headlines.object_store.loose import bring_files
from headlines.rejects import Reject, RejectWriter
from headlines.sources import Reading
from headlines.sources.files import COMPRESSIONS
from headlines.stages import STAGES
from headlines.text import LONGEST_TITLE

PIECE = "rows.parquet"  # of the artifact of a piece
REJECTS = "rejects.parquet"  # of what was read of a batch, where there are any

ADMITTED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


@dataclass(frozen=True)
class Piece:
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
class FilesToRead:
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
    reading: Reading
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
        sources = tuple(map(Source, self.paths, self.digests))
        return Recipe("stretch", STAGES["admitted"].version, sources, config)

    @property
    def directory(self) -> Path:
        """Where what is read of a stretch lies until the batch is admitted."""
        return self.directory_of(self.recipe)

    def directory_of(self, recipe: Recipe) -> Path:
        """Where an artifact of the way to the admitted batch lies."""
        return Path(self.root) / self.place / recipe.key[:16]


def read_stretch(files: FilesToRead) -> Artifact:
    """Read a stretch of a batch, or reuse what was read of it: its counts as `read_files` has them.

    Runs in a worker. `row` of its pieces and rejects counts from its own first row.

    Raises:
        InputError: a file cannot be read, or is not, or no longer, the one that was named.
    """
    catalog = Catalog(Path(files.root))
    for path in files.files:
        bring_files(path)  # of a bucket; the run has brought it to its own machine
    if (before := reusable(catalog, files.directory, files.recipe)) is not None:
        return before

    def write(draft: Path) -> dict[str, Any]:
        return read_files(files, draft, lambda _: None)

    return publish(catalog, files.directory, files.recipe, write)


def reusable(catalog: Catalog, target: Path, recipe: Recipe) -> Artifact | None:
    """What was read before, if it is there with all its pieces; else it is taken away."""
    before = find(catalog, target, recipe.key)
    if before is None:
        return None
    if all(_is_whole(catalog, piece) for piece in pieces_of(before)):
        return before
    remove(catalog, target)
    return None


def read_files(
    files: FilesToRead, draft: Path, on_piece: Callable[[Piece], None]
) -> dict[str, Any]:
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
    books = _Books(_size_of(files.files))
    pieces = []
    with RejectWriter(draft / REJECTS) as rejects:
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


def pieces_of(admitted: Artifact) -> list[Piece]:
    """The pieces of an admitted batch, or of a stretch of one, in their order."""
    return [Piece(**piece) for piece in admitted.counts["pieces"]]


@dataclass
class _Books:
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
        return file_digest(path)
    except OSError:
        return None


def _admitted_rows(files: FilesToRead, books: _Books, rejects: RejectWriter) -> Iterator[Admitted]:
    alone = files.stretch is None and len(files.paths) == 1
    for record in records_of(files.files, files.reading, alone=alone):
        books.rows += 1
        books.read += 1 if record.line is None else len(record.line) + 1  # and its line end
        try:
            one = checked(record, files.reading)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        books.cut += len(record.fields[files.reading.title_column]) > LONGEST_TITLE
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

    def append(self, one: Admitted) -> None:
        self.row.append(one.row)
        self.id.append(one.id)
        self.title.append(one.title)
        self.extra.append(one.extra)
        self.signs += len(one.title) + len(one.extra or "") + len(one.id or "")


def _in_pieces(files: FilesToRead, rows: Iterator[Admitted]) -> Iterator[_Columns]:
    columns = _Columns(0)
    for one in rows:
        if len(columns.row) == files.piece_rows or columns.signs >= files.piece_signs:
            yield columns
            columns = _Columns(columns.number + 1)
        columns.append(one)
    if columns.row:
        columns.is_last = True
        yield columns


def _published(files: FilesToRead, columns: _Columns, read: float | None) -> Piece:
    data = {name: getattr(columns, name) for name in ADMITTED_SCHEMA.names}
    content = pa.BufferOutputStream()
    pq.write_table(pa.table(data, schema=ADMITTED_SCHEMA), content, compression="lz4")
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
        (draft / PIECE).write_bytes(rows)
        return {"rows": len(columns.row)}

    catalog = Catalog(Path(files.root))
    artifact = publish(catalog, files.directory_of(recipe), recipe, write)
    path = catalog.relative(artifact.directory)
    alone = files.stretch is None and columns.number == 0 and columns.is_last
    return Piece(columns.number, path, recipe.key, len(columns.row), alone, read)


def _is_whole(catalog: Catalog, piece: Piece) -> bool:
    return find(catalog, catalog.root / piece.path, piece.key) is not None
