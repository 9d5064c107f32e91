from pathlib import Path

import pyarrow.parquet as pq
import pytest

from headlines import tokens as module
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from headlines.corpus import ingest, read_corpus
from headlines.segmentation import segment
from headlines.tokens import SCHEMA, read_tokens, segment_corpus


@pytest.fixture
def corpus(catalog: Catalog, tmp_path: Path) -> Artifact:
    source = tmp_path / "source.csv"
    lines = [f"第{n}届科技大会召开,{n % 3},{('train', 'train', 'dev')[n % 3]}" for n in range(25)]
    source.write_text("\n".join(["title,label,split", *lines]), encoding="utf-8")
    return ingest(catalog, "small", str(source))


@pytest.mark.parametrize("runner", ["threads", "processes"])
def test_the_tokens_are_those_of_every_headline_in_its_place(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, corpus: Artifact, runner: str
) -> None:
    monkeypatch.setenv("HEADLINES_RUNNER", runner)
    monkeypatch.setenv("HEADLINES_WORKERS", "2")
    monkeypatch.setattr(module, "_CHUNK_ROWS", 4)  # several chunks a file
    artifact = segment_corpus(catalog, corpus)
    assert not artifact.reused
    for split in ("train", "dev"):
        headlines = read_corpus(corpus, ["row", "record_id", "title", "split"])
        headlines = headlines[headlines["split"] == split]
        found = read_tokens(artifact, split)
        assert found["row"].tolist() == headlines["row"].tolist()
        assert found["record_id"].tolist() == headlines["record_id"].tolist()
        assert [list(words) for words in found["tokens"]] == segment(headlines["title"].tolist())
    assert artifact.rows == corpus.rows == artifact.counts["segmented"] == 25
    assert artifact.counts["tokens"] == sum(
        len(words) for split in ("train", "dev") for words in read_tokens(artifact, split)["tokens"]
    )
    assert [path.relative_to(artifact.directory) for path in artifact.files()] == [
        path.relative_to(corpus.directory) for path in corpus.files()
    ]


def test_the_files_have_the_schema(catalog: Catalog, corpus: Artifact) -> None:
    for path in segment_corpus(catalog, corpus).files(".parquet"):
        assert pq.read_schema(path).equals(SCHEMA)


def test_a_split_without_headlines_has_no_tokens(catalog: Catalog, corpus: Artifact) -> None:
    found = read_tokens(segment_corpus(catalog, corpus), "test")
    assert list(found.columns) == ["row", "record_id", "tokens"]
    assert len(found) == 0


def test_the_second_run_segments_nothing(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, corpus: Artifact
) -> None:
    first = segment_corpus(catalog, corpus)

    def no_cut(texts: list[str]) -> list[list[str]]:
        raise AssertionError("it was segmented before")

    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    monkeypatch.setattr(module, "segment", no_cut)
    second = segment_corpus(catalog, corpus)
    assert second.reused
    assert second.manifest == first.manifest


def test_another_segmenter_makes_tokens_of_its_own(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, corpus: Artifact
) -> None:
    first = segment_corpus(catalog, corpus)
    monkeypatch.setattr(module, "fingerprint", lambda: {"engine": "another"})
    second = segment_corpus(catalog, corpus)
    assert not second.reused
    assert second.directory != first.directory


def test_damaged_tokens_are_made_anew(catalog: Catalog, corpus: Artifact) -> None:
    first = segment_corpus(catalog, corpus)
    path = first.files(".parquet")[0]
    path.write_bytes(path.read_bytes()[:-1])
    second = segment_corpus(catalog, corpus)
    assert not second.reused
    assert second.manifest.files == first.manifest.files


def test_a_failure_half_way_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, corpus: Artifact
) -> None:
    calls: list[int] = []

    def fail_late(texts: list[str]) -> list[list[str]]:
        calls.append(len(texts))
        if len(calls) > 2:
            raise RuntimeError("the machine is out of memory")
        return segment(texts)

    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    monkeypatch.setattr(module, "_CHUNK_ROWS", 4)
    monkeypatch.setattr(module, "segment", fail_late)
    with pytest.raises(RuntimeError, match="out of memory"):
        segment_corpus(catalog, corpus)
    assert not (catalog.root / "tokens").exists()
    assert list(catalog.work.glob("draft-*")) == []
    monkeypatch.undo()
    assert segment_corpus(catalog, corpus).rows == 25
