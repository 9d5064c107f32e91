"""Admits a batch: its usable rows in pieces that are scored one by one, the others as rejects.

A piece is an artifact of its own below `.work`, named by what it holds: it can be scored while the
rest of the batch is still read.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.artifact import Artifact, copy_file, find, open_artifact, publish, remove
from headlines.batches import Batch
from headlines.catalog import Catalog
from headlines.errors import DamagedArtifact, InputError
from headlines.manifest import Recipe
from headlines.rejects import Reject, RejectWriter
from headlines.sources import NoRows, Reading, Record, read_records, to_json
from headlines.sources.files import COMPRESSIONS
from headlines.stages import STAGES
from headlines.text import LONGEST_TITLE, TOO_LONG, has_undecodable, problem_of_title

PIECE_ROWS = 50_000
PIECE_SIGNS = 32 << 20  # characters, where other columns hold whole articles
PIECE = "rows.parquet"  # of the artifact of a piece
REJECTS = "rejects.parquet"
_ROWS_AT_ONCE = 10_000  # of a piece: more are not scored sooner, but take memory
MAX_REJECT_RATE = 0.05

ADMITTED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


class Admitted(NamedTuple):
    """A row that can be scored.

    Attributes:
        row: its position in the batch, from 0.
        id: the batch's own identity of it, if it has one.
        title: the headline.
        extra: its other columns as one JSON object, if it has any.
    """

    row: int
    id: str | None
    title: str
    extra: str | None


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
    """

    number: int
    path: str
    key: str
    rows: int
    alone: bool
    read: float | None


def admit(
    catalog: Catalog,
    batch: Batch,
    reading: Reading,
    on_piece: Callable[[Piece], None] = lambda _: None,
) -> Artifact:
    """Read a batch; write its usable rows in pieces, and the others as rejects.

    Args:
        catalog: the data root.
        batch: the batch.
        reading: how its files are to be read.
        on_piece: told of each piece as soon as it is there, in their order.

    Raises:
        InputError: a file cannot be read, or changed while it was read.
    """
    recipe = _admission(catalog, batch, reading)
    target = _admitted_directory(catalog, recipe)
    before = find(catalog, target, recipe.key)
    if before is not None:
        if all(_is_whole(catalog, piece) for piece in pieces_of(before)):
            for piece in pieces_of(before):
                on_piece(piece)
            return before
        remove(catalog, target)

    def write_pieces(draft: Path) -> dict[str, Any]:
        books = _Books(_size_of(batch))
        pieces = []
        with RejectWriter(draft / REJECTS) as rejects:
            for columns in _in_pieces(_admitted_rows(batch, reading, books, rejects)):
                piece = _published(catalog, batch, columns, books.share)
                on_piece(piece)
                pieces.append(asdict(piece))
        if not batch.unchanged():
            raise InputError(
                "the file changed while it was read", str(batch.path), "score it when it is whole"
            )
        return {
            "rows_in": books.rows,
            "admitted": books.rows - rejects.count,
            "cut": books.cut,
            "rejected": rejects.count,
            "reasons": dict(rejects.reasons.most_common()),
            "pieces": pieces,
        }

    return publish(catalog, target, recipe, write_pieces)


def pieces_of(admitted: Artifact) -> list[Piece]:
    """The pieces of an admitted batch, in their order."""
    return [Piece(**piece) for piece in admitted.counts["pieces"]]


def rows_of(catalog: Catalog, piece: Piece) -> Iterator[pa.RecordBatch]:
    """The rows of a piece, in their order, in batches of `ADMITTED_SCHEMA` and some thousand rows.

    Raises:
        DamagedArtifact: they are not what was admitted.
    """
    artifact = open_artifact(catalog.root / piece.path)
    if artifact is None or artifact.manifest.key != piece.key:
        raise DamagedArtifact(piece.path, "the piece is no longer there")
    with pq.ParquetFile(artifact.directory / PIECE) as file:
        yield from file.iter_batches(_ROWS_AT_ONCE)


def checked(record: Record, reading: Reading) -> Admitted:
    """The row, if it can be scored.

    Raises:
        ValueError: it cannot; the message is the reason.
    """
    if record.problem:
        raise ValueError(record.problem)
    fields = record.fields
    title = fields.get(reading.title_column)
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    problem = problem_of_title(title)
    if problem == TOO_LONG and reading.long_titles == "cut":
        assert title is not None
        title = title[:LONGEST_TITLE]
        problem = problem_of_title(title)
    if problem:
        raise ValueError(problem)
    assert title is not None
    identity = fields.get(reading.id_column)
    if identity is not None:
        if isinstance(identity, bool | bytes | list | dict):
            raise ValueError("id is neither text nor a number")
        identity = str(identity)
        if has_undecodable(identity):
            raise ValueError("id has undecodable bytes")
    known = (reading.title_column, reading.id_column)
    others = {name: value for name, value in fields.items() if name not in known}
    extra = to_json(others) if others else None
    if extra is not None and has_undecodable(extra):
        raise ValueError("another column has undecodable bytes")
    return Admitted(record.row, identity, title, extra)


def records_of(batch: Batch, reading: Reading) -> Iterator[Record]:
    """The rows of all files of a batch, numbered through.

    Raises:
        InputError: a file cannot be read, or there are no rows. Of several files some may be empty.
    """
    rows = 0
    for path in batch.files:
        before = rows
        try:
            for record in read_records(path, reading):
                rows += 1
                yield record._replace(row=before + record.row) if before else record
        except NoRows:
            if len(batch.files) == 1:
                raise
    if not rows:
        raise InputError("the files have no rows", str(batch.path), "upload them again")


@dataclass
class _Books:
    """Rows that were read, titles among them that were cut, and how much of the batch that is.

    Attributes:
        size: of the batch, in the unit of `read`; None where it is not known.
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
        """The share of the batch that is read, from 0 to 1."""
        return min(1.0, self.read / self.size) if self.size else None


def _size_of(batch: Batch) -> int | None:
    if any(path.suffix.lower() in COMPRESSIONS for path in batch.files):
        return None
    with contextlib.suppress(OSError, pa.ArrowException):  # the reader says what is wrong with it
        return sum(
            pq.read_metadata(path).num_rows
            if path.suffix.lower() == ".parquet"
            else path.stat().st_size
            for path in batch.files
        )
    return None


def _admitted_rows(
    batch: Batch, reading: Reading, books: _Books, rejects: RejectWriter
) -> Iterator[Admitted]:
    for record in records_of(batch, reading):
        books.rows += 1
        books.read += 1 if record.line is None else len(record.line) + 1  # and its line end
        try:
            one = checked(record, reading)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        books.cut += len(record.fields[reading.title_column]) > LONGEST_TITLE
        yield one


def check_reject_rate(batch: Batch, admitted: Artifact, max_reject_rate: float) -> None:
    """See that a batch is good enough to publish predictions of it.

    Raises:
        InputError: more than that share of its rows was rejected, or all were.
    """
    counts = admitted.counts
    rate = counts["rejected"] / counts["rows_in"]
    if rate <= max_reject_rate and counts["admitted"]:
        return
    limit = f", more than {max_reject_rate:.1%}" if rate > max_reject_rate else ""
    mend = "mend the file, or allow more with --max-reject-rate" if limit else "mend the file"
    commonest = "; ".join(
        f"{reason} ({rows})" for reason, rows in list(counts["reasons"].items())[:3]
    )
    raise InputError(
        f"{counts['rejected']} of {counts['rows_in']} rows ({rate:.1%}) cannot be "
        f"used{limit}: {commonest}",
        str(batch.path),
        mend,
    )


def publish_rejects(catalog: Catalog, batch: Batch, admitted: Artifact) -> None:
    """Publish the rows of a batch that could not be used, if there are any."""
    target = catalog.rejected(batch.name)
    if not admitted.counts["rejected"]:
        remove(catalog, target, keep_superseded=True)
        return
    recipe = Recipe(
        "rejects",
        STAGES["admitted"].version,
        (batch.as_source(catalog, admitted.counts["rows_in"]),),
        admitted.manifest.config,
    )

    def write_part(draft: Path) -> dict[str, Any]:
        copy_file(admitted, REJECTS, draft / "part-00000.parquet")
        return {"rejected": admitted.counts["rejected"], "reasons": admitted.counts["reasons"]}

    publish(catalog, target, recipe, write_part, keep_superseded=True)


def copy_rejects(catalog: Catalog, batch: Batch, reading: Reading, target: Path) -> None:
    """Copy the rejects of a batch that was read, if there are any, into a directory."""
    path = _admitted_directory(catalog, _admission(catalog, batch, reading)) / REJECTS
    if path.exists():
        shutil.copyfile(path, target / REJECTS)


def discard(catalog: Catalog, batch: Batch, reading: Reading, pieces: Sequence[Piece]) -> None:
    """Remove what was admitted of a batch, when it is scored or will not be."""
    for piece in pieces:
        remove(catalog, catalog.root / piece.path)
    remove(catalog, _admitted_directory(catalog, _admission(catalog, batch, reading)))


def _admission(catalog: Catalog, batch: Batch, reading: Reading) -> Recipe:
    return Recipe(
        "admitted",
        STAGES["admitted"].version,
        (batch.as_source(catalog),),
        {"batch": batch.name, "reading": asdict(reading), "piece": [PIECE_ROWS, PIECE_SIGNS]},
    )


def _admitted_directory(catalog: Catalog, admission: Recipe) -> Path:
    return catalog.pieces / "admitted" / admission.key[:16]


class _Columns:
    """Rows of one piece, as columns: Python's garbage collector looks through tuples, not text."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alone = False
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


def _in_pieces(rows: Iterator[Admitted]) -> Iterator[_Columns]:
    columns = _Columns(0)
    for one in rows:
        if len(columns.row) == PIECE_ROWS or columns.signs >= PIECE_SIGNS:
            yield columns
            columns = _Columns(columns.number + 1)
        columns.append(one)
    if columns.row:
        columns.alone = columns.number == 0
        yield columns


def _published(catalog: Catalog, batch: Batch, columns: _Columns, read: float | None) -> Piece:
    data = {name: getattr(columns, name) for name in ADMITTED_SCHEMA.names}
    content = pa.BufferOutputStream()
    pq.write_table(pa.table(data, schema=ADMITTED_SCHEMA), content, compression="lz4")
    rows = content.getvalue()
    # By the rows themselves: the file may be changing while it is read. By the batch too: another
    # one with the same rows has pieces of its own to take away.
    config = {"batch": batch.name, "rows": hashlib.sha256(rows).hexdigest()}
    recipe = Recipe("piece", STAGES["admitted"].version, (), config)

    def write(draft: Path) -> dict[str, Any]:
        (draft / PIECE).write_bytes(rows)
        return {"rows": len(columns.row)}

    artifact = publish(catalog, _admitted_directory(catalog, recipe), recipe, write)
    path = catalog.relative(artifact.directory)
    return Piece(columns.number, path, recipe.key, len(columns.row), columns.alone, read)


def _is_whole(catalog: Catalog, piece: Piece) -> bool:
    return find(catalog, catalog.root / piece.path, piece.key) is not None
