"""Reads one file of a corpus into pieces of some thousand rows, and notes what flags need of each.

A file is read by one worker, from front to back: in CSV a quote may run over lines, a compressed
file has no middle, and a pickle is one object. Of a corpus in several files several are read at a
time.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headlines.corpus.source_rows import SPLITS, Row, iter_records, validate_row
from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.readers.rejects import Reject, RejectWriter, read_rejects
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import DataFile, Input, Recipe
from headlines.storage.stages import STAGES

PIECE_ROWS = 20_000
_PIECE_SIGNS = 8 << 20  # characters, where there are whole articles
MARKS = "marks.parquet"  # of the artifact of a file
REJECTS = "rejects.parquet"

PIECE_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # in the file
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("label", pa.int8()),
    ]
)
MARKS_SCHEMA = pa.schema(
    [
        pa.field("text_high", pa.uint64(), nullable=False),  # the two halves of the record id
        pa.field("text_low", pa.uint64(), nullable=False),
        pa.field("title", pa.uint64(), nullable=False),  # digest of the title as it stands
        pa.field("split", pa.int8(), nullable=False),  # its place in SPLITS
        pa.field("label", pa.int8(), nullable=False),  # -1 for none
    ]
)


@dataclass(frozen=True)
class ReadJob:
    """One file of a corpus, to be read: small plain data for another process.

    Attributes:
        root: the data root.
        place: below it, of the pieces until the corpus is published.
        corpus: key of the corpus; its pieces are no other one's, which would take them away.
        path: of the file.
        sha256: its digest.
        encoding: of text.
        of_inews: whether it is a pickle of the iNews package.
        piece_rows: how many rows of the file are in a piece at most.
    """

    root: str
    place: str
    corpus: str
    path: str
    sha256: str
    encoding: str
    of_inews: bool
    piece_rows: int

    @property
    def recipe(self) -> Recipe:
        """All that decides its pieces."""
        return Recipe(
            "pieces of a corpus",
            STAGES["corpus"].version,
            (Input(self.path, self.sha256),),
            {"corpus": self.corpus, "path": self.path, "piece": [self.piece_rows, _PIECE_SIGNS]},
        )

    @property
    def directory(self) -> Path:
        """Where its pieces lie until the corpus is published."""
        return Path(self.root) / self.place / self.recipe.key[:16]


def read_file(file: ReadJob) -> Artifact:
    """The usable rows of a file in pieces, each of one split, and the others as rejects.

    Runs in a worker, on the machine that has the file. The artifact's counts are `rows_in`, `rows`,
    `contents` (how many rows have one), `rejected` and `reasons`; see `pieces_of`, `MARKS` and
    `rejects_of`.

    Raises:
        InputError: the file cannot be read, or changed while it was read.
    """

    def write_pieces(draft: Path) -> dict[str, Any]:
        path = Path(file.path)
        counts = {"rows_in": 0, "rows": 0, "contents": 0}
        with (
            RejectWriter(draft / REJECTS) as rejects,
            pq.ParquetWriter(draft / MARKS, MARKS_SCHEMA, compression="lz4") as marks,
        ):
            for number, piece in enumerate(_in_pieces(file, rejects, counts)):
                for split, rows in piece.splits.items():
                    table = pa.table(rows.columns, schema=PIECE_SCHEMA)
                    name = f"{number:06d}-{split}.parquet"
                    pq.write_table(table, draft / name, compression="lz4")
                marks.write_table(pa.table(piece.marks, schema=MARKS_SCHEMA))
                counts["rows"] += len(piece.marks["split"])
        if file_sha256(path) != file.sha256:  # it may have been replaced while it was read
            raise InputError("a file changed while it was read", file.path, "ingest it again")
        return {**counts, "rejected": rejects.count, "reasons": dict(rejects.reasons)}

    return publish(Catalog(Path(file.root)), file.directory, file.recipe, write_pieces)


def pieces_of(read: Artifact, split: str) -> list[DataFile]:
    """The files of `PIECE_SCHEMA` with the rows of one split, in the order of their rows."""
    return [one for one in read.manifest.files if one.path.endswith(f"-{split}.parquet")]


def rejects_of(read: Artifact) -> Iterator[Reject]:
    """The rows of a file that cannot be used; `row` is the position in the file."""
    for path in read.files(REJECTS):
        yield from read_rejects(path)


class _Rows:
    """Rows of one split, as columns: Python's garbage collector looks through tuples, not text."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in PIECE_SCHEMA.names}

    def append(self, row: int, one: Row) -> None:
        values = (row, one.record_id, one.title, one.content, one.label)
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)


@dataclass
class _Piece:
    """Rows of a file that stand one after the other, by split, and the marks of all of them."""

    splits: dict[str, _Rows] = field(default_factory=dict)
    marks: dict[str, list[int]] = field(
        default_factory=lambda: {name: [] for name in MARKS_SCHEMA.names}
    )
    signs: int = 0

    def append(self, row: int, one: Row) -> None:
        self.splits.setdefault(one.split, _Rows()).append(row, one)
        self.signs += len(one.title) + len(one.content or "")
        title = hashlib.blake2b(one.title.encode(), digest_size=8).digest()
        values = (
            int(one.record_id[:16], 16),
            int(one.record_id[16:], 16),
            int.from_bytes(title),
            SPLITS.index(one.split),
            -1 if one.label is None else one.label,
        )
        for column, value in zip(self.marks.values(), values, strict=True):
            column.append(value)


def _in_pieces(file: ReadJob, rejects: RejectWriter, counts: dict[str, int]) -> Iterator[_Piece]:
    piece = _Piece()
    for record in iter_records(Path(file.path), file.encoding, of_inews=file.of_inews):
        counts["rows_in"] += 1
        try:
            one = validate_row(record)
        except ValueError as error:
            rejects.add(Reject(record.row, str(error), record.raw))
            continue
        counts["contents"] += one.content is not None
        if len(piece.marks["split"]) == file.piece_rows or piece.signs >= _PIECE_SIGNS:
            yield piece
            piece = _Piece()
        piece.append(record.row, one)
    yield piece
