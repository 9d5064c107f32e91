import logging
from pathlib import Path

import pytest

from headlines.corpus.dataset import check_exists, ensure, read_corpus
from headlines.corpus.ingest import ingest
from headlines.errors import InputError
from headlines.storage.artifact import open_artifact
from headlines.storage.layout import Catalog

from .checks import rejected_rows


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n好,0\n晴,1\n坏,7\n", encoding="utf-8")
    return path


def test_unchanged_source_is_not_read_again(catalog: Catalog, source: Path) -> None:
    first = ingest(catalog, "mine", str(source))
    before = {path: path.stat().st_mtime_ns for path in catalog.root.rglob("*") if path.is_file()}
    second = ingest(catalog, "mine", str(source))
    assert (first.reused, second.reused) == (False, True)
    after = {path: path.stat().st_mtime_ns for path in catalog.root.rglob("*") if path.is_file()}
    assert after == before


def test_changed_source_rebuilds_the_corpus(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    source.write_text("title,label\n好,0\n雨,1\n", encoding="utf-8")
    second = ingest(catalog, "mine", str(source))
    assert not second.reused
    assert read_corpus(second, ["title"])["title"].tolist() == ["好", "雨"]
    assert not catalog.rejected("corpus:mine").exists()  # the rejects of before are gone too


def test_renamed_file_rebuilds_the_corpus(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    second = ingest(catalog, "mine", str(source.rename(source.with_name("b.csv"))))
    assert set(read_corpus(second, ["source"])["source"]) == {"b.csv"}


def test_another_encoding_rebuilds_the_corpus(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"title\nplain\n")
    ingest(catalog, "mine", str(path))
    assert not ingest(catalog, "mine", str(path), "gb18030").reused


def test_lost_rejects_are_rebuilt(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    target = catalog.rejected("corpus:mine")
    (target / "part-00000.parquet").unlink()
    ingest(catalog, "mine", str(source))
    assert [row["raw"] for row in rejected_rows(catalog, "mine")] == ["坏,7".encode()]


def test_damaged_corpus_is_quarantined_and_rebuilt(
    catalog: Catalog, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.write_text("title\n好\n", encoding="gb18030")
    first = ingest(catalog, "mine", str(source), "gb18030")
    path = first.files(".parquet")[0]
    path.write_bytes(b"PAR1" + path.read_bytes()[4:-1] + b"2")
    with caplog.at_level(logging.WARNING):
        second = ensure(catalog, "mine")
    assert "is damaged" in caplog.text
    assert read_corpus(second, ["title"])["title"].tolist() == ["好"]
    assert second.manifest.files == first.manifest.files
    assert list((catalog.work / "damaged" / "corpus").iterdir())


def test_damaged_corpus_without_source_is_an_error(catalog: Catalog, source: Path) -> None:
    first = ingest(catalog, "mine", str(source))
    first.files(".parquet")[0].unlink()
    source.unlink()
    with pytest.raises(InputError) as caught:
        ensure(catalog, "mine")
    assert caught.value.location == str(source)


def test_unknown_corpus_is_refused(catalog: Catalog) -> None:
    for ask in (ensure, check_exists):
        with pytest.raises(InputError, match=r"headlines ingest SOURCE --name other"):
            ask(catalog, "other")
    check_exists(catalog, "inews")


def test_bad_file_in_a_folder_leaves_the_old_corpus(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv").write_text("title\n好\n", encoding="utf-8")
    first = ingest(catalog, "mine", str(folder))
    (folder / "b.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.csv"):
        ingest(catalog, "mine", str(folder))
    assert open_artifact(catalog.corpus("mine")) == first.__class__(
        first.directory, first.manifest, reused=True
    )


def test_bad_corpus_name_is_refused(catalog: Catalog, source: Path) -> None:
    with pytest.raises(InputError, match="cannot be a corpus name"):
        ingest(catalog, "../mine", str(source))
    assert not catalog.root.exists()
