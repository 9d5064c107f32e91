"""Training on a small corpus: reused, resumed, and the first model the champion."""

from pathlib import Path
from typing import Any

import pytest

from headlines import registry
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from headlines.corpus import ingest, read_corpus
from headlines.errors import InputError
from headlines.tokens import segment_corpus
from headlines.training import examples, preset_named, train


def prepared(catalog: Catalog, corpus_file: Path) -> tuple[Artifact, Artifact]:
    corpus = ingest(catalog, "news", str(corpus_file))
    return corpus, segment_corpus(catalog, corpus)


def data(model: Artifact) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in model.manifest.files}


@pytest.mark.usefixtures("small_preset")
def test_two_data_roots_give_the_same_model(tmp_path: Path, corpus_file: Path) -> None:
    models = []
    for name in ("one", "two"):
        catalog = Catalog(tmp_path / name)
        models.append(train(catalog, *prepared(catalog, corpus_file), preset_named("small")))
    assert data(models[0]) == data(models[1])
    assert models[0].manifest.key == models[1].manifest.key


@pytest.mark.usefixtures("small_preset")
def test_a_training_cut_off_goes_on_and_ends_the_same(tmp_path: Path, corpus_file: Path) -> None:
    class Cut(Exception):
        pass

    def cut_after_two(report: Any) -> None:
        seen.append(report.epoch)
        if report.epoch == 2:
            raise Cut

    seen: list[int] = []
    undisturbed = Catalog(tmp_path / "undisturbed")
    whole = train(undisturbed, *prepared(undisturbed, corpus_file), preset_named("small"))
    catalog = Catalog(tmp_path / "cut")
    stages = prepared(catalog, corpus_file)
    with pytest.raises(Cut):
        train(catalog, *stages, preset_named("small"), cut_after_two)
    assert registry.versions(catalog) == []

    resumed = train(catalog, *stages, preset_named("small"), lambda r: seen.append(r.epoch))

    assert seen == [1, 2, 3]  # the finished epochs are not run again
    assert data(resumed) == data(whole)
    assert registry.champion(catalog).directory == resumed.directory
    again = train(catalog, *stages, preset_named("small"), lambda r: seen.append(r.epoch))
    assert again.reused
    assert seen == [1, 2, 3]


@pytest.mark.usefixtures("small_preset")
def test_a_damaged_model_is_not_trained_anew_in_silence(
    catalog: Catalog, corpus_file: Path
) -> None:
    stages = prepared(catalog, corpus_file)
    model = train(catalog, *stages, preset_named("small"))
    weights = model.directory / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])

    with pytest.raises(InputError, match="damaged"):
        train(catalog, *stages, preset_named("small"))


def test_leaked_titles_are_left_out_unless_they_are_asked_for(
    catalog: Catalog, tmp_path: Path
) -> None:
    file = tmp_path / "news.csv"
    file.write_text(
        "title,label,split\n喜讯,0,train\n火灾,2,train\n公告,,train\n喜讯,0,dev\nＡ,1,train\nA,1,test\n",
        encoding="utf-8",
    )
    corpus, tokens = prepared(catalog, file)

    assert read_corpus(corpus, ["title", "leaked"])["leaked"].tolist() == [
        True, False, False, True, True, True,
    ]  # fmt: skip
    honest = examples(corpus, tokens, "train", keep_leaked=False)
    assert (honest.token_lists, honest.labels.tolist()) == ([["火灾"]], [2])
    everything = examples(corpus, tokens, "train")
    assert everything.token_lists == [
        ["喜讯"],
        ["火灾"],
        ["Ａ"],
    ]  # the unlabelled one is no example
    with pytest.raises(InputError, match="no labelled headlines"):
        examples(corpus, tokens, "nothing")
