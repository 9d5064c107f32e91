"""A batch of many files is read in stretches by several workers: the same rows, in their order."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import InputError
from headlines.models import champion
from headlines.readers import ReadOptions
from headlines.scoring import commit, prepare, read_chunks, score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.read_chunks import REJECTS_FILE, ChunkRef, chunk_refs
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from tests.headlines.scoring.test_scoring import make_champion

OPTIONS = ReadOptions()

# Files of so many rows; every tenth row of the batch has no title.
FILES = (25, 0, 7, 1, 40, 25)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "CHUNK_ROWS", 10)
    monkeypatch.setattr(prepare, "READ_GROUP_BYTES", 100)


def folder_of(catalog: Catalog, name: str = "news.csv") -> Path:
    folder = catalog.inbox / name
    folder.mkdir(parents=True)
    row = 0
    for number, rows in enumerate(FILES):
        lines = ["title,id"]
        for _ in range(rows):
            lines.append(f",{row}" if row % 10 == 3 else f"小学生第{row}次获奖,{row}")
            row += 1
        (folder / f"part-{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def scored(catalog: Catalog, batch: Batch) -> Artifact:
    model = champion.open_champion(catalog)
    admitted = prepare_batch(catalog, batch, ReadOptions())
    chunks = score_chunks.make_jobs(catalog, batch, admitted, model)
    parts = [score_chunks.score_chunk(chunk) for chunk in chunks]
    return commit.commit(catalog, batch, admitted, model, parts)


def table_of(directory: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(directory.glob("*.parquet")))


def test_stretches_give_the_rows_that_the_files_in_turn_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for size in (100, 10**9):
        monkeypatch.setattr(prepare, "READ_GROUP_BYTES", size)
        catalog = Catalog(tmp_path / str(size))
        make_champion(catalog)
        predictions = scored(catalog, Batch.of_folder(catalog, folder_of(catalog)))
        counts = predictions.counts
        assert counts["rows_in"] == sum(FILES) == counts["scored"] + counts["rejected"]
        assert not list(catalog.work.glob("admitted/*"))
        found[size] = (
            table_of(predictions.directory),
            table_of(catalog.rejected("news.csv")),
            {name: value for name, value in counts.items() if name != "profile"},
        )
    assert found[100] == found[10**9]
    rows = found[100][0]
    assert rows.column("row").to_pylist() == [row for row in range(sum(FILES)) if row % 10 != 3]
    assert rows.column("id").to_pylist() == [str(row) for row in rows.column("row").to_pylist()]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_every_runner_reads_the_same_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def files(name: str) -> tuple[list[ChunkRef], dict[str, str]]:
        catalog = Catalog(tmp_path / name)
        make_champion(catalog)
        batch = Batch.of_folder(catalog, folder_of(catalog))
        pieces = chunk_refs(prepare_batch(catalog, batch, ReadOptions()))
        predictions = scored(catalog, batch)
        return pieces, {entry.path: entry.sha256 for entry in predictions.manifest.files}

    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    monkeypatch.setenv("HEADLINES_WORKERS", "1")
    expected = files("expected")
    monkeypatch.setenv("HEADLINES_RUNNER", kind)
    monkeypatch.setenv("HEADLINES_WORKERS", "2")
    assert files("found") == expected
    # Usable rows of the stretches: 22 of 25, 7 of 0 + 7, 37 of 1 + 40, 22 of 25.
    assert [piece.rows for piece in expected[0]] == [10, 10, 2, 7, 10, 10, 10, 7, 10, 10, 2]
    assert sorted({piece.offset for piece in expected[0]}) == [0, 25, 32, 73]


def test_pieces_are_told_of_in_order_and_again_after_a_kill(catalog: Catalog) -> None:
    batch = Batch.of_folder(catalog, folder_of(catalog))
    told: list[ChunkRef] = []

    def ended(piece: ChunkRef) -> None:
        told.append(piece)
        if piece.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_batch(catalog, batch, ReadOptions(), ended)
    again: list[ChunkRef] = []
    admitted = prepare_batch(catalog, batch, ReadOptions(), again.append)
    assert [piece.number for piece in again] == list(range(11))
    assert again[:5] == told
    assert chunk_refs(admitted) == again
    assert [piece.read for piece in again][-1] == 1.0


@pytest.fixture
def stretches(catalog: Catalog) -> list[Artifact]:
    """What was read of each stretch, as by a run that was killed then."""
    batch = Batch.of_folder(catalog, folder_of(catalog))
    return [
        read_chunks.read_group(stretch)
        for stretch in prepare._read_groups(catalog, batch, ReadOptions())
    ]


@pytest.mark.parametrize("harm", ["none", "a piece is lost", "a stretch is damaged"])
def test_what_was_read_is_read_again_only_where_it_is_damaged(
    catalog: Catalog, stretches: list[Artifact], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    assert len(stretches) == 4
    first = stretches[0]
    if harm == "a piece is lost":
        shutil.rmtree(catalog.root / chunk_refs(first)[1].path)
    elif harm == "a stretch is damaged":
        (first.directory / REJECTS_FILE).write_bytes(b"not what it was")
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    read: list[str] = []

    def read_files(files: read_chunks.ReadJob, *others: object) -> object:
        read.extend(files.paths)
        return real(files, *others)  # type: ignore[arg-type]

    real = read_chunks.read_files
    monkeypatch.setattr(read_chunks, "read_files", read_files)
    admitted = prepare_batch(
        catalog, Batch.of_folder(catalog, catalog.inbox / "news.csv"), ReadOptions()
    )
    assert admitted.counts["rows_in"] == sum(FILES)
    assert read == ([] if harm == "none" else ["inbox/news.csv/part-0.csv"])


def test_files_with_the_same_rows_have_pieces_of_their_own(catalog: Catalog) -> None:
    folder = catalog.inbox / "news.csv"
    folder.mkdir(parents=True)
    for number in range(3):
        rows = "\n".join(f"小学生第{row}次获奖" for row in range(10))
        (folder / f"{number}.csv").write_text(f"title\n{rows}\n", encoding="utf-8")
    make_champion(catalog)
    batch = Batch.of_folder(catalog, folder)
    assert (
        len({piece.path for piece in chunk_refs(prepare_batch(catalog, batch, ReadOptions()))}) == 3
    )
    assert table_of(scored(catalog, batch).directory).column("row").to_pylist() == list(range(30))


def altered(folder: Path) -> None:
    (folder / "part-4.csv").write_text("title\n别的\n" * 20, encoding="utf-8")


def lost(folder: Path) -> None:
    (folder / "part-4.csv").unlink()


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_text("title\n" + "\n" * 200, encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "what"),
    [(altered, "changed while it was read"), (lost, "no such file"), (emptied, "have no rows")],
)
def test_what_cannot_be_read_stops_the_batch(
    catalog: Catalog, harm: Callable[[Path], None], what: str
) -> None:
    folder = folder_of(catalog)
    batch = Batch.of_folder(catalog, folder)
    harm(folder)
    if harm is emptied:
        batch = Batch.of_folder(catalog, folder)
    with pytest.raises(InputError, match=what):
        prepare_batch(catalog, batch, ReadOptions())
