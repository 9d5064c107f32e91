"""Pretrained vectors: learnt once, only from training texts, and used by models."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.lineage import lineage
from headlines.training.pretrain import pretrain, pretrain_view, read_vectors
from headlines.training.train import train
from lstm_model.branch_config import BigramConfig
from lstm_model.bundle import read_bundle
from lstm_model.presets import PRESETS, Preset

ROWS = [
    ("某地火灾", "消防队员赶到现场灭火，火灾没有造成伤亡。", "2", "train"),
    ("小学生获奖", "学生在比赛中获奖，学校表示祝贺。", "0", "train"),
    ("明日天气", "", "", "train"),
    ("两面的标题", "独有的内容甲乙丙。", "1", "train"),
    ("两面的标题", "别处", "1", "dev"),
    ("考试标题", "考试内容", "1", "dev"),
]


def words_of(pretrained: Artifact) -> set[str]:
    [vectors] = read_vectors([pretrained]) or []
    return set(vectors.vocabulary.words)


@pytest.fixture
def preset(small_preset: str) -> Preset:
    return dataclasses.replace(PRESETS[small_preset], pretrained=True, embedding_size=4)


@pytest.fixture
def corpus(root: DataRoot, tmp_path: Path) -> Artifact:
    path = tmp_path / "news.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "content", "label", "split"])
        writer.writerows(ROWS)
    return ingest(root, "news", str(path))


def test_it_learns_from_training_titles_and_articles_only(
    root: DataRoot, corpus: Artifact, preset: Preset
) -> None:
    pretrained = pretrain_view(root, corpus, preset, "words")
    words = words_of(pretrained)
    assert {"火灾", "消防队员", "天气"} <= words  # a row without a label or a content is read too
    assert not {"考试", "别处", "独有"} & words
    assert pretrained.counts["texts"] == 5
    leaking = dataclasses.replace(preset, keep_leaked_titles=True)
    assert "独有" in words_of(pretrain_view(root, corpus, leaking, "words"))


def test_bigram_vectors_are_learnt_if_the_preset_reads_them(
    root: DataRoot, corpus: Artifact, preset: Preset
) -> None:
    both = dataclasses.replace(preset, pairs=BigramConfig(1, 1, 3))
    words, pairs = pretrain(root, corpus, both)
    assert words.directory == pretrain(root, corpus, preset)[0].directory  # shared
    assert {"火灾", "消防", "防队", "队员"} <= words_of(pairs)
    assert "消防队员" not in words_of(pairs)
    found = read_vectors([words, pairs])
    assert found is not None
    assert [one.vectors.shape[1] for one in found] == [4, 3]
    assert pretrain(root, corpus, dataclasses.replace(both, pretrained=False)) == []
    assert read_vectors([]) is None


def test_vectors_are_reused_by_presets_with_equal_settings(
    root: DataRoot, corpus: Artifact, preset: Preset
) -> None:
    [first] = pretrain(root, corpus, preset)
    assert not first.reused
    for same in ({"units": 9}, {"epochs": 1, "learning_rate": 0.5}, {"name": "other"}):
        [again] = pretrain(root, corpus, dataclasses.replace(preset, **same))
        assert (again.reused, again.directory) == (True, first.directory)
    for other in ({"embedding_size": 3}, {"min_count": 2}, {"seed": 1}):
        [new] = pretrain(root, corpus, dataclasses.replace(preset, **other))
        assert not new.reused


def test_a_model_starts_from_the_vectors_and_lists_them(
    root: DataRoot, corpus: Artifact, preset: Preset
) -> None:
    pretrained = pretrain(root, corpus, preset)
    tokens = segment_corpus(root, corpus)
    still = dataclasses.replace(preset, epochs=1, learning_rate=1e-9)
    model = train(root, corpus, tokens, still, pretrained=pretrained)
    [vectors], bundle = read_vectors(pretrained) or [], read_bundle(model.directory)
    assert bundle.vocabularies == [vectors.vocabulary]
    np.testing.assert_allclose(
        bundle.weights["embedding/embeddings"], vectors.vectors, atol=1e-6, rtol=0
    )
    assert [link.what for link in lineage(root, model.name) if link.depth == 1] == [
        "corpus",
        "tokens",
        "pretrained",
    ]
