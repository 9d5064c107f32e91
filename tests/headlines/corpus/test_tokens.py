from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from headlines.compute import executors
from headlines.corpus import token_cache
from headlines.corpus import tokens as module
from headlines.corpus.dataset import read_corpus
from headlines.corpus.ingest import ingest
from headlines.corpus.token_cache import ChunkSizes
from headlines.corpus.tokens import SCHEMA, read_tokens, segment_corpus
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

from .checks import cache_folder, path_of

ROWS = 60
SMALL = ChunkSizes(min_rows=1, one_in=7)


@pytest.fixture
def corpus(root: DataRoot, tmp_path: Path) -> Artifact:
    source = tmp_path / "source.csv"
    lines = [f"第{n}届科技大会召开,{n % 3},{('train', 'train', 'dev')[n % 3]}" for n in range(ROWS)]
    source.write_text("\n".join(["title,label,split", *lines]), encoding="utf-8")
    return ingest(root, "small", str(source))


@pytest.fixture
def _small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several reads a chunk."""
    monkeypatch.setattr(module, "_READ_ROWS", 3)


def check_tokens(tokens: Artifact, corpus: Artifact, segmenter: Segmenter) -> None:
    """The tokens are the words of every headline, in order."""
    for split in ("train", "dev", "test"):
        headlines = read_corpus(corpus, ["row", "record_id", "title", "split"])
        headlines = headlines[headlines["split"] == split]
        frame = read_tokens(tokens, split)
        assert frame["row"].tolist() == headlines["row"].tolist()
        assert frame["record_id"].tolist() == headlines["record_id"].tolist()
        expected = segmenter.cut(headlines["title"].tolist())
        assert [list(words) for words in frame["tokens"]] == expected


@pytest.mark.usefixtures("_small_reads")
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_tokens_are_the_words_of_every_headline_in_order(
    root: DataRoot, corpus: Artifact, kind: str
) -> None:
    root = replace(root, settings=Settings(runner=kind, workers=2))
    artifact = segment_corpus(root, corpus, SMALL)
    assert not artifact.reused
    check_tokens(artifact, corpus, Segmenter())
    assert artifact.rows == corpus.rows == artifact.counts["segmented"] == ROWS
    assert artifact.counts["reused"] == 0
    assert artifact.counts["tokens"] == sum(
        len(words) for split in ("train", "dev") for words in read_tokens(artifact, split)["tokens"]
    )
    assert [path.relative_to(artifact.directory) for path in artifact.files()] == [
        path.relative_to(corpus.directory) for path in corpus.files()
    ]
    [cached] = token_cache.cache_stats(root)
    assert cached.chunks > 4
    assert not list((root.store.work / "chunks").iterdir())


def test_parts_have_the_schema(root: DataRoot, corpus: Artifact) -> None:
    for path in segment_corpus(root, corpus).files(".parquet"):
        assert pq.read_schema(path).equals(SCHEMA)


def test_split_without_headlines_has_no_tokens(root: DataRoot, corpus: Artifact) -> None:
    frame = read_tokens(segment_corpus(root, corpus), "test")
    assert list(frame.columns) == ["row", "record_id", "tokens"]
    assert len(frame) == 0


def test_second_run_writes_nothing(root: DataRoot, corpus: Artifact) -> None:
    first = segment_corpus(root, corpus)
    before = {path: path.stat().st_mtime_ns for path in path_of(root, "tokens").rglob("*")}
    second = segment_corpus(root, corpus)
    assert second.reused
    assert second.manifest == first.manifest
    after = {path: path.stat().st_mtime_ns for path in path_of(root, "tokens").rglob("*")}
    assert after == before


def test_each_segmenter_has_its_own_tokens(
    root: DataRoot, corpus: Artifact, tmp_path: Path
) -> None:
    dictionary = tmp_path / "words.txt"
    dictionary.write_text("科技大会 9000\n", encoding="utf-8")
    by_segmenter = []
    for engine, named in (("fast", ""), ("jieba", ""), ("fast", str(dictionary))):
        settings = Settings(engine=engine, dictionary=named)
        tokens = segment_corpus(replace(root, settings=settings), corpus)
        segmenter = Segmenter(engine, dictionary=dictionary if named else None)
        assert not tokens.reused
        assert tokens.counts["segmented"] == ROWS
        assert tokens.manifest.config["segmenter"] == segmenter.fingerprint()
        check_tokens(tokens, corpus, segmenter)
        by_segmenter.append(tokens)
    fast, jieba, custom = (
        [entry.sha256 for entry in tokens.manifest.files] for tokens in by_segmenter
    )
    assert fast == jieba != custom
    assert len({tokens.directory for tokens in by_segmenter}) == 3


def test_damaged_tokens_are_rebuilt(root: DataRoot, corpus: Artifact) -> None:
    first = segment_corpus(root, corpus)
    path = first.files(".parquet")[0]
    path.write_bytes(path.read_bytes()[:-1])
    second = segment_corpus(root, corpus)
    assert not second.reused
    assert second.manifest.files == first.manifest.files
    assert (second.counts["segmented"], second.counts["reused"]) == (0, ROWS)


def test_unusual_titles_are_cut(root: DataRoot, tmp_path: Path) -> None:
    source = tmp_path / "odd.jsonl"
    titles = ["\\u3000\\u4e2d", "a\\tb\\r\\nc", "\\u3400\\ud83d\\ude00", "x" * 500, "text-indent"]
    lines = [f'{{"title":"{title}","split":"train"}}' for title in titles * 2]
    source.write_text("\n".join(lines), encoding="utf-8")
    corpus = ingest(root, "odd", str(source))
    assert corpus.rows == len(lines)
    check_tokens(segment_corpus(root, corpus), corpus, Segmenter("jieba"))


@pytest.mark.usefixtures("_small_reads")
def test_failure_leaves_no_tokens_but_the_finished_chunks(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, corpus: Artifact
) -> None:
    cut, cut_rows = Segmenter.cut, []

    def fail_late(self: Segmenter, texts: list[str]) -> list[list[str]]:
        if len(cut_rows) == 2:
            raise RuntimeError("the machine is out of memory")
        cut_rows.append(len(texts))
        return cut(self, texts)

    root = replace(root, settings=Settings(workers=1))
    with monkeypatch.context() as broken:
        broken.setattr(Segmenter, "cut", fail_late)
        with pytest.raises(RuntimeError, match="out of memory"):
            segment_corpus(root, corpus, SMALL)
        pool = executors.executor(1, root.settings)
        pool.submit(int).result()  # waits until the worker is idle
    assert list(path_of(root, "tokens").iterdir()) == [cache_folder(root)]
    assert list(root.store.work.glob("draft-*")) == []

    tokens = segment_corpus(root, corpus, SMALL)
    done = sum(cut_rows)
    assert 0 < done < ROWS
    assert (tokens.counts["reused"], tokens.counts["segmented"]) == (done, ROWS - done)
    check_tokens(tokens, corpus, Segmenter())
