"""A batch of many files is read in groups by several workers: the same rows, in order."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import InputError
from headlines.readers.row_warnings import warning_lines
from headlines.scoring import prepare, read_files
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import ChunkRef, chunk_refs
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.read_files import REJECTS_FILE
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.headlines.scoring.test_scoring import make_champion
from tests.score import run, score, score_options

# Files of so many rows; every tenth row of the batch has no title.
FILES = (25, 0, 7, 1, 40, 25)


OPTIONS = score_options(chunk_rows=10, read_group_bytes=100)


def folder_of(root: DataRoot, name: str = "news.csv") -> Path:
    folder = root.store.directory / root.inbox / name
    folder.mkdir(parents=True)
    row = 0
    for number, rows in enumerate(FILES):
        lines = ["title,id"]
        for _ in range(rows):
            lines.append(f",{row}" if row % 10 == 3 else f"小学生第{row}次获奖,{row}")
            row += 1
        (folder / f"part-{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def table_of(directory: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(directory.glob("*.parquet")))


def test_read_groups_give_the_rows_of_the_files_in_order(tmp_path: Path) -> None:
    found = {}
    for size in (100, 10**9):
        root = DataRoot.open(tmp_path / str(size))
        make_champion(root)
        options = score_options(chunk_rows=10, read_group_bytes=size)
        predictions = score(root, Batch.of_folder(root, folder_of(root)), options)
        counts = predictions.counts
        assert counts["rows_in"] == sum(FILES) == counts["scored"] + counts["rejected"]
        assert not list(root.store.work.glob("admitted/*"))
        found[size] = (
            table_of(predictions.directory),
            table_of(root.store.directory / root.rejects_of("news.csv")),
            {name: value for name, value in counts.items() if name != "profile"},
        )
    assert found[100] == found[10**9]
    rows = found[100][0]
    assert rows.column("row").to_pylist() == [row for row in range(sum(FILES)) if row % 10 != 3]
    assert rows.column("id").to_pylist() == [str(row) for row in rows.column("row").to_pylist()]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_every_runner_reads_the_same_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def files(name: str, settings: Settings) -> tuple[list[ChunkRef], dict[str, str]]:
        root = DataRoot.open(tmp_path / name, settings)
        make_champion(root)
        batch = Batch.of_folder(root, folder_of(root))
        chunks = chunk_refs(prepare_batch(root, batch, OPTIONS))
        predictions = score(root, batch, OPTIONS)
        return chunks, {entry.path: entry.sha256 for entry in predictions.manifest.files}

    expected = files("expected", Settings())
    assert files("found", Settings(runner=kind, workers=2)) == expected
    # Usable rows of the groups: 22 of 25, 7 of 0 + 7, 37 of 1 + 40, 22 of 25.
    assert [chunk.rows for chunk in expected[0]] == [10, 10, 2, 7, 10, 10, 10, 7, 10, 10, 2]
    assert sorted({chunk.offset for chunk in expected[0]}) == [0, 25, 32, 73]


def test_chunks_are_reported_again_after_a_kill(root: DataRoot) -> None:
    batch = Batch.of_folder(root, folder_of(root))
    reported: list[ChunkRef] = []

    def ended(chunk: ChunkRef) -> None:
        reported.append(chunk)
        if chunk.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_batch(root, batch, OPTIONS, ended)
    again: list[ChunkRef] = []
    admitted = prepare_batch(root, batch, OPTIONS, again.append)
    assert [chunk.number for chunk in again] == list(range(11))
    assert again[:5] == reported
    assert chunk_refs(admitted) == again
    assert [chunk.read for chunk in again][-1] == 1.0


@pytest.fixture
def groups(root: DataRoot) -> list[Artifact]:
    """What was read of each group, as by a run that was killed then."""
    batch = Batch.of_folder(root, folder_of(root))
    return [read_files.read_group(group) for group in prepare._read_groups(root, batch, OPTIONS)]


@pytest.mark.parametrize("harm", ["none", "a chunk is lost", "a group is damaged"])
def test_what_was_read_is_read_again_only_where_it_is_damaged(
    root: DataRoot, groups: list[Artifact], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    assert len(groups) == 4
    first = groups[0]
    if harm == "a chunk is lost":
        shutil.rmtree(root.store.directory / chunk_refs(first)[1].path)
    elif harm == "a group is damaged":
        (first.directory / REJECTS_FILE).write_bytes(b"not what it was")
    read: list[str] = []

    def recorded(job: read_files.ReadJob, *others: object) -> object:
        read.extend(job.paths)
        return real(job, *others)  # type: ignore[arg-type]

    real = read_files.read_files
    monkeypatch.setattr(read_files, "read_files", recorded)
    admitted = prepare_batch(
        root, Batch.of_folder(root, root.store.directory / root.inbox / "news.csv"), OPTIONS
    )
    assert admitted.counts["rows_in"] == sum(FILES)
    assert read == ([] if harm == "none" else ["inbox/news.csv/part-0.csv"])


def test_files_with_the_same_rows_have_their_own_chunks(root: DataRoot) -> None:
    folder = root.store.directory / root.inbox / "news.csv"
    folder.mkdir(parents=True)
    for number in range(3):
        rows = "\n".join(f"小学生第{row}次获奖" for row in range(10))
        (folder / f"{number}.csv").write_text(f"title\n{rows}\n", encoding="utf-8")
    make_champion(root)
    batch = Batch.of_folder(root, folder)
    assert len({chunk.path for chunk in chunk_refs(prepare_batch(root, batch, OPTIONS))}) == 3
    assert table_of(score(root, batch, OPTIONS).directory).column("row").to_pylist() == list(
        range(30)
    )


def altered(folder: Path) -> None:
    (folder / "part-4.csv").write_text("title\n别的\n" * 20, encoding="utf-8")


def lost(folder: Path) -> None:
    (folder / "part-4.csv").unlink()


@pytest.mark.parametrize(
    ("harm", "what"),
    [(altered, "changed while it was read"), (lost, "no such file")],
)
def test_what_cannot_be_read_stops_the_batch(
    root: DataRoot, harm: Callable[[Path], None], what: str
) -> None:
    folder = folder_of(root)
    batch = Batch.of_folder(root, folder)
    harm(folder)
    with pytest.raises(InputError, match=what):
        prepare_batch(root, batch, OPTIONS)


def test_warnings_of_groups_count_the_rows_of_the_batch(root: DataRoot) -> None:
    make_champion(root)
    folder = root.store.directory / root.inbox / "news.jsonl"
    folder.mkdir(parents=True)
    good, twice = '{"title": "喜讯", "n": 1}', '{"title": "喜讯", "n": 1, "n": 2}'
    for number, lines in enumerate([[good] * 9, [good, twice, twice], [twice]]):
        (folder / f"part-{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result = run(root, Batch.of_folder(root, folder), OPTIONS)
    assert result.warnings == {'duplicate key "n"': {"rows": 3, "first": 10}}
    assert list(warning_lines(result.warnings)) == ['row 10 and 2 more: duplicate key "n"']


@pytest.mark.parametrize("read_group_bytes", [100, 10**9])
def test_key_that_was_named_must_be_in_some_row(root: DataRoot, read_group_bytes: int) -> None:
    folder = root.store.directory / root.inbox / "news.jsonl"
    folder.mkdir(parents=True)
    for number, key in enumerate(["nr", "other", "other"]):
        lines = [f'{{"title": "喜讯", "{key}": {row}}}' for row in range(9)]
        (folder / f"part-{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    batch = Batch.of_folder(root, folder)
    named = {"read_group_bytes": read_group_bytes, "id_column": "nr"}
    assert prepare_batch(root, batch, score_options(**named)).counts["admitted"] == 27
    with pytest.raises(InputError, match="no row has the key 'articleid'"):
        prepare_batch(root, batch, score_options(**named | {"id_column": "articleid"}))
