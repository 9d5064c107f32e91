"""Writes the files of a corpus, each from the pieces that hold its rows, with their flags."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.corpus.flags import Flags, RowKeys
from headlines.corpus.read_files import pieces_of
from headlines.corpus.source_rows import SPLITS
from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256, json_digest
from headlines.storage.artifact import Artifact, have_here, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("label", pa.int8()),
        pa.field("duplicate", pa.bool_(), nullable=False),
        pa.field("label_conflict", pa.bool_(), nullable=False),
        pa.field("leaked", pa.bool_(), nullable=False),
    ]
)
ROWS = "rows.parquet"  # of the artifact of a part
_FLAGS = ("duplicate", "label_conflict", "leaked")
_GROUP_BYTES = 32 << 20  # of text: a file of whole articles has several row groups


@dataclass(frozen=True)
class Slice:
    """Rows of one piece.

    Attributes:
        path: of the file of the piece, relative to the data root.
        sha256: its digest.
        start: the first of the rows.
        stop: behind the last one.
        source: name of the file that the piece was read from.
        rows_before: how many rows the files before that one have.
    """

    path: str
    sha256: str
    start: int
    stop: int
    source: str
    rows_before: int


@dataclass(frozen=True)
class WriteJob:
    """One file of a corpus, to be written: small plain data for another process.

    Attributes:
        root: the data root.
        place: below it, of the file until the corpus is published.
        corpus: key of the corpus.
        name: of the file in it.
        slices: its rows, in their order.
        flags: three bits a row, all `duplicate`, then all `label_conflict`, then all `leaked`.
        pandas_note: what pandas is to know of the columns, which it reads from the file.
    """

    root: str
    place: str
    corpus: str
    name: str
    slices: tuple[Slice, ...]
    flags: bytes
    pandas_note: str

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(one.stop - one.start for one in self.slices)

    @property
    def recipe(self) -> Recipe:
        """All that decides its content."""
        return Recipe(
            "part of a corpus",
            STAGES["corpus"].version,
            tuple(Input(one.path, one.sha256, one.stop - one.start) for one in self.slices),
            {
                "corpus": self.corpus,
                "name": self.name,
                "slices": json_digest([asdict(one) for one in self.slices]),
                "flags": hashlib.sha256(self.flags).hexdigest(),
                "pandas": self.pandas_note,
            },
        )

    @property
    def directory(self) -> Path:
        """Where the file lies until the corpus is published."""
        return Path(self.root) / self.place / self.recipe.key[:16]


def parts_of(
    catalog: Catalog,
    corpus: str,
    read: Sequence[Artifact],
    marks: RowKeys,
    flags: Flags,
    part_rows: int,
) -> Iterator[WriteJob]:
    """The files of a corpus, split by split, each of so many rows but the last ones.

    Args:
        catalog: the data root.
        corpus: key of the corpus.
        read: what `read_file` gave of each of its sources, in their order.
        marks: of all rows.
        flags: of all rows.
        part_rows: rows of a file.
    """
    note = _pandas_note(contents=any(one.counts["contents"] for one in read))
    for split in sorted(SPLITS):
        there = np.flatnonzero(marks.split == SPLITS.index(split))
        slices = list(_slices(catalog, read, split))
        for number, start in enumerate(range(0, len(there), part_rows)):
            rows = there[start : start + part_rows]
            yield WriteJob(
                root=str(catalog.root),
                place=catalog.relative(catalog.pieces / "chunks"),
                corpus=corpus,
                name=f"split={split}/part-{number:05d}.parquet",
                slices=tuple(_cut(slices, start, start + len(rows))),
                flags=np.packbits(
                    np.concatenate([getattr(flags, name)[rows] for name in _FLAGS])
                ).tobytes(),
                pandas_note=note,
            )


def write_part(part: WriteJob) -> Artifact:
    """Write one file of a corpus; runs in a worker.

    Raises:
        DamagedArtifact: a piece is not what was read.
    """

    def write_rows(draft: Path) -> dict[str, Any]:
        schema = SCHEMA.with_metadata({"pandas": part.pandas_note})
        with pq.ParquetWriter(draft / ROWS, schema, compression="zstd") as writer:
            for group in _row_groups(part):
                writer.write_table(group)
        return {}

    return publish(Catalog(Path(part.root)), part.directory, part.recipe, write_rows)


def _row_groups(part: WriteJob) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for table in _tables(part):
        if held and sum(one.nbytes for one in (*held, table)) > _GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held.clear()
        held.append(table)
    yield pa.concat_tables(held).combine_chunks()


def _tables(part: WriteJob) -> Iterator[pa.Table]:
    bits = np.unpackbits(np.frombuffer(part.flags, np.uint8), count=len(_FLAGS) * part.rows)
    flags = bits.astype(bool).reshape(len(_FLAGS), part.rows)
    done = 0
    for one in part.slices:
        path = Path(part.root) / one.path
        have_here(path.parent, path.name)
        if file_sha256(path) != one.sha256:
            raise DamagedArtifact(str(path.parent), f"{path.name} is not what was read")
        piece = pq.read_table(path, partitioning=None).slice(one.start, one.stop - one.start)
        columns = {name: piece.column(name) for name in piece.column_names}
        columns["row"] = pa.array(columns["row"].to_numpy() + one.rows_before)
        columns["source"] = pa.repeat(one.source, len(piece))
        for name, values in zip(_FLAGS, flags, strict=True):
            columns[name] = values[done : done + len(piece)]
        done += len(piece)
        yield pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _slices(catalog: Catalog, read: Sequence[Artifact], split: str) -> Iterator[Slice]:
    """All pieces of a split, as a whole."""
    rows_before = 0
    for one in read:
        [source] = one.manifest.inputs
        for piece in pieces_of(one, split):
            path = catalog.relative(one.directory / piece.path)
            name, rows = Path(source.path).name, piece.rows or 0
            yield Slice(path, piece.sha256, 0, rows, name, rows_before)
        rows_before += one.counts["rows_in"]


def _cut(slices: Sequence[Slice], start: int, stop: int) -> Iterator[Slice]:
    """What of pieces that stand one after the other lies between two rows."""
    first = 0
    for one in slices:
        inside = max(start - first, 0), min(stop - first, one.stop)
        if inside[0] < inside[1]:
            yield Slice(one.path, one.sha256, *inside, one.source, one.rows_before)
        first += one.stop


def _pandas_note(*, contents: bool) -> str:
    """What pandas writes of the columns of a corpus, with contents or without any."""
    import pandas as pd  # workers can do without

    text = pd.Series([], dtype="str")
    columns = {
        **dict.fromkeys(("source", "record_id", "title"), text),
        "row": pd.Series([], dtype="int64"),
        "content": text if contents else pd.Series([], dtype="object"),
        "label": pd.Series([], dtype="Int8"),
        **{name: pd.Series([], dtype="bool") for name in _FLAGS},
    }
    table = pa.Table.from_pandas(pd.DataFrame(columns), schema=SCHEMA, preserve_index=False)
    note: bytes = table.schema.metadata[b"pandas"]
    return note.decode()
