"""Vectors learnt from a corpus: once, from training texts alone, and a model starts from them."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from headlines.artifact import Artifact
from headlines.catalog import Catalog
from headlines.corpus import ingest
from headlines.lineage import lineage
from headlines.pretraining import pretrain, read_vectors
from headlines.tokens import segment_corpus
from headlines.training import train
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


@pytest.fixture
def preset(small_preset: str) -> Preset:
    return dataclasses.replace(PRESETS[small_preset], pretrained=True, embedding_size=4)


@pytest.fixture
def corpus(catalog: Catalog, tmp_path: Path) -> Artifact:
    path = tmp_path / "news.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "content", "label", "split"])
        writer.writerows(ROWS)
    return ingest(catalog, "news", str(path))


def test_it_learns_from_titles_and_contents_of_training_rows_alone(
    catalog: Catalog, corpus: Artifact, preset: Preset
) -> None:
    pretrained = pretrain(catalog, corpus, preset)
    words = set(read_vectors(pretrained).vocabulary.words)
    assert {"火灾", "消防队员", "天气"} <= words  # a row without a label or a content is read too
    assert not {"考试", "别处", "独有"} & words
    assert pretrained.counts["texts"] == 5
    leaking = pretrain(catalog, corpus, dataclasses.replace(preset, keep_leaked_titles=True))
    assert "独有" in read_vectors(leaking).vocabulary.words


def test_it_is_reused_by_presets_that_want_the_same(
    catalog: Catalog, corpus: Artifact, preset: Preset
) -> None:
    first = pretrain(catalog, corpus, preset)
    assert not first.reused
    for same in ({"units": 9}, {"epochs": 1, "learning_rate": 0.5}, {"name": "other"}):
        again = pretrain(catalog, corpus, dataclasses.replace(preset, **same))
        assert (again.reused, again.directory) == (True, first.directory)
    for other in ({"embedding_size": 3}, {"min_count": 2}, {"seed": 1}):
        assert not pretrain(catalog, corpus, dataclasses.replace(preset, **other)).reused


def test_a_model_starts_from_it_and_names_it(
    catalog: Catalog, corpus: Artifact, preset: Preset
) -> None:
    pretrained = pretrain(catalog, corpus, preset)
    tokens = segment_corpus(catalog, corpus)
    still = dataclasses.replace(preset, epochs=1, learning_rate=1e-9)
    model = train(catalog, corpus, tokens, still, pretrained=pretrained)
    vectors, bundle = read_vectors(pretrained), read_bundle(model.directory)
    assert bundle.vocabulary == vectors.vocabulary
    np.testing.assert_allclose(
        bundle.weights["embedding/embeddings"], vectors.vectors, atol=1e-6, rtol=0
    )
    assert [link.what for link in lineage(catalog, model.directory) if link.depth == 1] == [
        "corpus",
        "tokens",
        "pretrained",
    ]
