"""The verb `cache`, which runs without Prefect."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.cli.commands import main
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot


def test_the_cache_is_shown_and_pruned(
    root: DataRoot, corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*arguments: str) -> list[str]:
        main(["cache", *arguments])
        return capsys.readouterr().out.splitlines()

    assert shown() == ["the token cache is empty; `headlines segment` fills it"]
    corpus = ingest(root, "news", str(corpus_file))
    segment_corpus(root, corpus)
    segment_corpus(replace(root, settings=Settings(engine="jieba")), corpus)

    fast, jieba = sorted(shown(), key=lambda line: line.split()[-1])
    assert jieba.endswith("0 days  jieba")
    assert fast.endswith("0 days  fast")
    assert f"{corpus.rows} headlines" in fast

    [left] = json.loads("\n".join(shown("--json", "--prune", jieba.split()[0])))
    assert left["segmenter"]["engine"] == "fast"
    assert left["rows"] == corpus.rows
    assert [path.name for path in root.store.path(root.token_cache).iterdir()] == [left["name"]]

    with pytest.raises(SystemExit) as left_with:
        main(["cache", "--prune", "../corpus"])
    assert left_with.value.code == 2
    assert "run `headlines cache`" in capsys.readouterr().err
