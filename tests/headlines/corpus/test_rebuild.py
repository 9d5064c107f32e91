import logging
from dataclasses import replace
from pathlib import Path

import pytest

from headlines.corpus.dataset import check_exists, ensure, read_corpus
from headlines.corpus.ingest import ingest
from headlines.errors import InputError
from headlines.readers import ReadOptions
from headlines.storage.data_root import DataRoot

from .checks import path_of, rejected_rows


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n好,0\n晴,1\n坏,7\n", encoding="utf-8")
    return path


def times(root: DataRoot) -> dict[Path, int]:
    files = (path for path in root.store.directory.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


def test_unchanged_source_is_not_read_again(root: DataRoot, source: Path) -> None:
    first = ingest(root, "mine", str(source))
    before = times(root)
    second = ingest(root, "mine", str(source))
    assert (first.reused, second.reused) == (False, True)
    assert times(root) == before


def test_changed_source_rebuilds_the_corpus(root: DataRoot, source: Path) -> None:
    ingest(root, "mine", str(source))
    source.write_text("title,label\n好,0\n雨,1\n", encoding="utf-8")
    second = ingest(root, "mine", str(source))
    assert not second.reused
    assert read_corpus(second, ["title"])["title"].tolist() == ["好", "雨"]
    assert not path_of(root, root.rejects_of("corpus:mine")).exists()  # the old ones are gone


def test_renamed_file_rebuilds_the_corpus(root: DataRoot, source: Path) -> None:
    ingest(root, "mine", str(source))
    second = ingest(root, "mine", str(source.rename(source.with_name("b.csv"))))
    assert set(read_corpus(second, ["source"])["source"]) == {"b.csv"}


def test_another_encoding_rebuilds_the_corpus(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"title\nplain\n")
    ingest(root, "mine", str(path))
    assert not ingest(root, "mine", str(path), ReadOptions("gb18030")).reused


def test_lost_rejects_are_rebuilt(root: DataRoot, source: Path) -> None:
    ingest(root, "mine", str(source))
    target = path_of(root, root.rejects_of("corpus:mine"))
    (target / "part-00000.parquet").unlink()
    ingest(root, "mine", str(source))
    assert [row["raw"] for row in rejected_rows(root, "mine")] == ["坏,7".encode()]


def test_damaged_corpus_is_quarantined_and_rebuilt(
    root: DataRoot, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.write_text("title\n好\n", encoding="gb18030")
    first = ingest(root, "mine", str(source), ReadOptions("gb18030", quoting="csv"))
    path = first.files(".parquet")[0]
    path.write_bytes(b"PAR1" + path.read_bytes()[4:-1] + b"2")
    with caplog.at_level(logging.WARNING):
        second = ensure(root, "mine")
    assert "is corrupt" in caplog.text
    assert read_corpus(second, ["title"])["title"].tolist() == ["好"]
    assert second.manifest.files == first.manifest.files
    assert list((root.store.work / "damaged" / "corpus").iterdir())


def test_damaged_corpus_without_source_is_an_error(root: DataRoot, source: Path) -> None:
    first = ingest(root, "mine", str(source))
    first.files(".parquet")[0].unlink()
    source.unlink()
    with pytest.raises(InputError) as caught:
        ensure(root, "mine")
    assert caught.value.location == str(source)


def test_unknown_corpus_is_refused(root: DataRoot) -> None:
    for ask in (ensure, check_exists):
        with pytest.raises(InputError, match=r"headlines ingest SOURCE --name other"):
            ask(root, "other")
    check_exists(root, "inews")


def test_bad_file_in_a_folder_leaves_the_old_corpus(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv").write_text("title\n好\n", encoding="utf-8")
    first = ingest(root, "mine", str(folder))
    (folder / "b.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.csv"):
        ingest(root, "mine", str(folder))
    assert root.store.open(root.corpus("mine")) == replace(first, reused=True)


def test_bad_corpus_name_is_refused(root: DataRoot, source: Path) -> None:
    with pytest.raises(InputError, match="cannot be a corpus name"):
        ingest(root, "../mine", str(source))
    assert not root.store.directory.exists()
