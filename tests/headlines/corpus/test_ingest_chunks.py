"""An ingest in chunks gives the same bytes by any runner and after a failure, in bounded memory."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headlines.corpus import ingest, read_files, write_files
from headlines.corpus.dataset import read_corpus
from headlines.corpus.ingest import IngestSizes
from headlines.errors import InputError
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

from .checks import path_of

ROWS = 40  # of each file
SPLITS = ("train", "train", "dev", "test", "")
SMALL = IngestSizes(chunk_rows=7, part_rows=25, worker_bytes=1, worker_rows=1)


def lines(file: int) -> Iterator[str]:
    """Rows with repeated titles, some without a body, some that cannot be used."""
    yield "title,label,split,content"
    for row in range(ROWS):
        title = "" if row % 13 == 5 else f"第{row * (file + 1) % 17}条 ＡＢ"
        body = f'"第{row}段\n又一段"' if row % 3 else ""
        yield f"{title},{(row + file) % 3},{SPLITS[row % 5]},{body}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of three files."""
    folder = tmp_path / "news"
    folder.mkdir()
    for file in range(3):
        text = "\n".join(lines(file))
        (folder / f"{file}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def root(root: DataRoot) -> DataRoot:
    """A data root with two threads to work on it."""
    return replace(root, settings=Settings(workers=2))


@pytest.fixture
def expected(tmp_path: Path, source: Path) -> Artifact:
    """The corpus from one chunk per source."""
    one_chunk = IngestSizes(part_rows=SMALL.part_rows)
    return ingest.ingest(DataRoot.open(tmp_path / "expected"), "mine", str(source), sizes=one_chunk)


def failing(work: Callable[..., Any], after: int) -> Callable[..., Any]:
    """The function `work`, but failing after some calls."""
    calls = []

    def fail_late(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > after:
            raise RuntimeError("the machine is out of memory")
        return work(*arguments)

    return fail_late


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("this should not run again")


def check_same(root: DataRoot, corpus: Artifact, expected: Artifact) -> None:
    """The same corpus and rejects, and no chunks are left."""
    assert not corpus.reused
    assert corpus.manifest.files == expected.manifest.files
    assert corpus.counts == expected.counts
    rejects = "part-00000.parquet"
    ours, theirs = (
        path_of(data_root, data_root.rejects_of("corpus:mine")) / rejects
        for data_root in (root, DataRoot.open(expected.directory.parents[1]))
    )
    assert ours.read_bytes() == theirs.read_bytes()
    assert list((root.store.work / "chunks").iterdir()) == []


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_small_chunks_give_the_bytes_of_large_ones(
    root: DataRoot, source: Path, expected: Artifact, kind: str
) -> None:
    root = replace(root, settings=Settings(runner=kind, workers=2))
    corpus = ingest.ingest(root, "mine", str(source), sizes=SMALL)
    check_same(root, corpus, expected)
    names = [path.relative_to(corpus.directory).as_posix() for path in corpus.files()]
    assert [name for name in names if "train" in name] == [
        f"split=train/part-{number:05d}.parquet" for number in range(3)
    ]
    frame = read_corpus(corpus, ["row", "source", "split", "content"])
    assert frame["row"].is_monotonic_increasing
    assert (frame["source"] == (frame["row"] // ROWS).astype(str) + ".csv").all()
    with_body = frame[frame["row"] % ROWS % 3 != 0]
    assert (with_body["content"].str.startswith("第")).all()


@pytest.mark.parametrize("step", ["read_file", "write_part"])
def test_failed_ingest_resumes(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, source: Path, expected: Artifact, step: str
) -> None:
    root = replace(root, settings=Settings(workers=1))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, step, failing(getattr(ingest, step), after=2))
        with pytest.raises(RuntimeError, match="out of memory"):
            ingest.ingest(root, "mine", str(source), sizes=SMALL)
    assert not path_of(root, root.corpus("mine")).exists()
    finished = {path.name for path in (root.store.work / "chunks").iterdir()}
    assert len(finished) == (2 if step == "read_file" else 5)
    with monkeypatch.context() as patch:
        if step == "write_part":
            patch.setattr(read_files, "iter_records", never)
        check_same(root, ingest.ingest(root, "mine", str(source), sizes=SMALL), expected)


def test_damaged_chunk_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
    root: DataRoot,
    source: Path,
    expected: Artifact,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write = ingest.write_part

    def damage(job: write_files.WriteJob) -> Artifact:
        path = path_of(root, job.ranges[0].path)
        path.write_bytes(path.read_bytes()[:-1] + b"2")
        return write(job)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "write_part", damage)
        with pytest.raises(Exception, match="is not what"):
            ingest.ingest(root, "mine", str(source), sizes=SMALL)
    check_same(root, ingest.ingest(root, "mine", str(source), sizes=SMALL), expected)
    assert "is corrupt" in caplog.text


def test_source_that_changes_while_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, source: Path
) -> None:
    read = read_files.iter_records

    def read_and_replace(path: Path, *arguments: Any, **options: Any) -> Iterator[Any]:
        yield from read(path, *arguments, **options)
        path.write_text("title\n好\n", encoding="utf-8")

    monkeypatch.setattr(read_files, "iter_records", read_and_replace)
    with pytest.raises(InputError, match="changed while it was read") as caught:
        ingest.ingest(root, "mine", str(source), sizes=SMALL)
    assert Path(caught.value.location).parent == source
    assert not path_of(root, root.corpus("mine")).exists()


def test_articles_give_several_row_groups(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, source: Path, expected: Artifact
) -> None:
    monkeypatch.setattr(write_files, "_ROW_GROUP_BYTES", 1_000)
    corpus = ingest.ingest(root, "mine", str(source), sizes=SMALL)
    for ours, theirs in zip(corpus.files(), expected.files(), strict=True):
        assert pq.read_table(ours).equals(pq.read_table(theirs))
    assert max(pq.read_metadata(path).num_row_groups for path in corpus.files()) > 2
    assert corpus.counts == expected.counts


MEASURED = """
import resource, sys
from pathlib import Path
from headlines.corpus.ingest import IngestSizes, ingest
from headlines.storage.data_root import DataRoot
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
source = folder / f"{rows}.csv"
with source.open("w", encoding="utf-8") as file:
    file.write("title,label,content\\n")
    for row in range(rows):
        file.write(f"第{row}条新闻：某地小学生获奖，家长喜讯,{row % 3},{row} {'正文' * 60}\\n")
sizes = IngestSizes(chunk_rows=2_000, part_rows=10_000)
corpus = ingest(DataRoot.open(folder / "data"), "news", str(source), sizes=sizes)
assert corpus.rows == rows
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.integration
def test_memory_of_an_ingest_hardly_grows_with_the_corpus(tmp_path: Path) -> None:
    peak = {}
    for rows in (20_000, 200_000):
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak[rows] = int(done.stdout) * 1024
    # In bytes; whole rows in memory would take 1,700 each.
    assert peak[200_000] - peak[20_000] < 180_000 * 400
