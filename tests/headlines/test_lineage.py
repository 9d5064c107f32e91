from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.corpus import ingest
from headlines.errors import InputError
from headlines.lineage import Link, lineage
from headlines.manifest import Recipe, Source, file_digest
from headlines.tokens import segment_corpus


@dataclass
class Chain:
    """A prediction, and all it was made from."""

    catalog: Catalog
    source: Path
    corpus: Artifact
    tokens: Artifact
    model: Artifact
    batch: Path
    predictions: Artifact

    def links(self) -> list[Link]:
        return lineage(self.catalog, self.predictions.directory)

    def problems(self) -> dict[str, str]:
        return {link.path: link.problem for link in self.links() if link.problem}


def write_something(draft: Path) -> dict[str, Any]:
    (draft / "report.md").write_text("# 预测\n", encoding="utf-8")
    return {}


@pytest.fixture
def chain(
    catalog: Catalog,
    tmp_path: Path,
    publish_model: Callable[..., Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> Chain:
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    source = tmp_path / "corpus.csv"
    source.write_text("title,label\n股市大涨,0\n某地地震,2\n", encoding="utf-8")
    corpus = ingest(catalog, "small", str(source))
    tokens = segment_corpus(catalog, corpus)
    model = publish_model(
        catalog, "2026-11-20-00000000", (corpus.as_source(catalog), tokens.as_source(catalog))
    )
    batch = catalog.inbox / "a.csv"
    batch.parent.mkdir()
    batch.write_text("title\n天气转晴\n", encoding="utf-8")
    inputs = (Source("inbox/a.csv", file_digest(batch), 1), model.as_source(catalog))
    recipe = Recipe("predictions", 1, inputs, {})
    predictions = publish(catalog, catalog.prediction("a.csv"), recipe, write_something)
    return Chain(catalog, source, corpus, tokens, model, batch, predictions)


def test_the_whole_way_back(chain: Chain) -> None:
    source = str(chain.source)
    tokens = chain.catalog.relative(chain.tokens.directory)
    assert [(link.depth, link.what, link.path) for link in chain.links()] == [
        (0, "predictions", "predictions/batch=a.csv"),
        (1, "file", "inbox/a.csv"),
        (1, "model", "models/2026-11-20-00000000"),
        (2, "corpus", "corpus/small"),
        (3, "file", source),
        (2, "tokens", tokens),
        (3, "corpus", "corpus/small"),
        (4, "file", source),
    ]
    assert chain.problems() == {}
    digests = {link.path: link.digest for link in chain.links()}
    assert digests[source] == file_digest(chain.source)
    assert digests[tokens] == chain.tokens.manifest.key


def test_any_file_of_an_artifact_stands_for_it(chain: Chain) -> None:
    for artifact in (chain.predictions, chain.corpus, chain.tokens, chain.model):
        expected = lineage(chain.catalog, artifact.directory)
        for path in [*artifact.files(), artifact.directory / "_manifest.json"]:
            assert lineage(chain.catalog, path) == expected


def test_a_path_relative_to_the_working_directory(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chain.catalog.root)
    assert lineage(chain.catalog, Path("predictions/batch=a.csv")) == chain.links()


def test_a_changed_batch_is_named(chain: Chain) -> None:
    chain.batch.write_text("title\n天气转阴\n", encoding="utf-8")
    assert chain.problems() == {"inbox/a.csv": "its bytes have changed since"}


def test_a_batch_that_is_gone_is_named(chain: Chain) -> None:
    chain.batch.unlink()
    assert chain.problems() == {"inbox/a.csv": "no longer there"}


def test_a_source_that_changed_or_is_gone_is_named_wherever_it_stands(chain: Chain) -> None:
    chain.source.write_text("title\n别的\n", encoding="utf-8")
    assert chain.problems() == {str(chain.source): "its bytes have changed since"}
    assert sum(bool(link.problem) for link in chain.links()) == 2
    chain.source.unlink()
    assert chain.problems() == {str(chain.source): "no longer there"}


@pytest.mark.parametrize("name", ["corpus", "tokens", "model"])
def test_a_damaged_artifact_on_the_way_is_named_and_not_followed(chain: Chain, name: str) -> None:
    artifact: Artifact = getattr(chain, name)
    path = artifact.files()[0]
    path.write_bytes(path.read_bytes()[:-1])
    place = chain.catalog.relative(artifact.directory)
    problems = chain.problems()
    assert list(problems) == [place]
    assert problems[place].startswith("damaged: ")
    assert path.relative_to(artifact.directory).as_posix() in problems[place]
    if name == "model":
        assert len(chain.links()) == 3


@pytest.mark.parametrize("name", ["corpus", "tokens", "model"])
def test_an_artifact_that_is_gone_is_named(chain: Chain, name: str) -> None:
    artifact: Artifact = getattr(chain, name)
    artifact.directory.rename(chain.catalog.root / "elsewhere")
    assert chain.problems() == {chain.catalog.relative(artifact.directory): "no longer there"}


def test_an_artifact_that_was_made_anew_from_other_bytes_is_named(chain: Chain) -> None:
    chain.source.write_text("title,label\n别的新闻,0\n", encoding="utf-8")
    other = ingest(chain.catalog, "small", str(chain.source))
    assert chain.problems() == {
        "corpus/small": f"another artifact stands there now, with key {other.manifest.key[:16]}"
    }


def test_a_model_of_the_same_name_with_another_key_is_named(
    chain: Chain, publish_model: Callable[..., Artifact]
) -> None:
    other = publish_model(chain.catalog, chain.model.directory.name, seed=1)
    [(path, problem)] = chain.problems().items()
    assert path == "models/2026-11-20-00000000"
    assert other.manifest.key[:16] in problem


def test_a_damaged_artifact_that_was_asked_for_is_an_error(chain: Chain) -> None:
    chain.predictions.files()[0].unlink()
    with pytest.raises(InputError, match="damaged"):
        chain.links()


def test_what_is_no_artifact_is_an_error(chain: Chain) -> None:
    root = chain.catalog.root
    for path in (root / "none", root / "predictions", root, chain.source, chain.batch):
        with pytest.raises(InputError, match=r"_manifest\.json"):
            lineage(chain.catalog, path)
