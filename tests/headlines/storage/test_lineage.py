from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.lineage import Link, lineage
from headlines.storage.manifest import MANIFEST, Input, Recipe


@dataclass
class Chain:
    """A prediction, and all it was made from."""

    root: DataRoot
    source: Path
    corpus: Artifact
    tokens: Artifact
    model: Artifact
    batch: Path
    predictions: Artifact

    def links(self) -> list[Link]:
        return lineage(self.root, self.predictions.name)

    def problems(self) -> dict[str, str]:
        return {link.path: link.problem for link in self.links() if link.problem}


def write_something(draft: Path) -> dict[str, Any]:
    (draft / "report.md").write_text("# 预测\n", encoding="utf-8")
    return {}


@pytest.fixture
def chain(
    root: DataRoot,
    tmp_path: Path,
    publish_model: Callable[..., Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> Chain:
    source = tmp_path / "corpus.csv"
    source.write_text("title,label\n股市大涨,0\n某地地震,2\n", encoding="utf-8")
    corpus = ingest(root, "small", str(source))
    tokens = segment_corpus(root, corpus)
    model = publish_model(root, "2026-11-20-00000000", (corpus.as_source(), tokens.as_source()))
    batch = root.store.fetch("inbox/a.csv")
    batch.parent.mkdir()
    batch.write_text("title\n天气转晴\n", encoding="utf-8")
    inputs = (Input("inbox/a.csv", file_sha256(batch), 1), model.as_source())
    recipe = Recipe("predictions", 1, inputs, {})
    predictions = root.store.publish(root.predictions_of("a.csv"), recipe, write_something)
    return Chain(root, source, corpus, tokens, model, batch, predictions)


def test_the_whole_way_back(chain: Chain) -> None:
    source = str(chain.source)
    tokens = chain.tokens.name
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
    assert digests[source] == file_sha256(chain.source)
    assert digests[tokens] == chain.tokens.manifest.key


def test_any_file_names_its_artifact(chain: Chain) -> None:
    for artifact in (chain.predictions, chain.corpus, chain.tokens, chain.model):
        expected = lineage(chain.root, artifact.name)
        for path in [*artifact.files(), artifact.directory / "_manifest.json"]:
            assert lineage(chain.root, chain.root.resolve(str(path))) == expected


def test_a_path_relative_to_the_working_directory(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chain.root.store.directory)
    name = chain.root.resolve("predictions/batch=a.csv")
    assert lineage(chain.root, name) == chain.links()


def remove(chain: Chain, artifact: Artifact) -> None:
    artifact.directory.rename(chain.root.store.directory / "elsewhere")


def change_a_byte(chain: Chain, artifact: Artifact) -> None:
    path = artifact.files()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_a_file(chain: Chain, artifact: Artifact) -> None:
    path = artifact.files()[-1]
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_file(chain: Chain, artifact: Artifact) -> None:
    artifact.files()[0].unlink()


def add_a_file(chain: Chain, artifact: Artifact) -> None:
    (artifact.directory / "more.txt").write_text("")


def link_a_file(chain: Chain, artifact: Artifact) -> None:
    path = artifact.files()[0]
    path.rename(chain.root.store.directory / "moved")
    path.symlink_to(chain.root.store.directory / "moved")


def edit_the_manifest(chain: Chain, artifact: Artifact) -> None:
    path = artifact.directory / MANIFEST
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"seconds": ', '"seconds": 1'), encoding="utf-8")


def lose_the_manifest(chain: Chain, artifact: Artifact) -> None:
    (artifact.directory / MANIFEST).unlink()


def put_a_file_in_its_place(chain: Chain, artifact: Artifact) -> None:
    remove(chain, artifact)
    artifact.directory.write_text("no artifact")


def put_another_in_its_place(chain: Chain, artifact: Artifact) -> None:
    recipe = Recipe(artifact.manifest.stage, 1, (), {"other": True})
    chain.root.store.publish(artifact.name, recipe, write_something)


@pytest.mark.parametrize("name", ["corpus", "tokens", "model"])
@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (remove, "no longer there"),
        (change_a_byte, "damaged: {file} is not what the manifest says"),
        (cut_a_file, "damaged: {last} is not what the manifest says"),
        (lose_a_file, "damaged: missing files ['{file}']"),
        (add_a_file, "damaged: missing files [], files not in the manifest ['more.txt']"),
        (link_a_file, "damaged: {file} is a link"),
        (edit_the_manifest, "damaged: _manifest.json: its content is not what its digest says"),
        (lose_the_manifest, "damaged: _manifest.json: "),
        (put_a_file_in_its_place, "damaged: _manifest.json: "),
        (put_another_in_its_place, "replaced by another artifact, with key "),
    ],
)
def test_a_broken_link_is_named_and_no_other(
    chain: Chain, name: str, harm: Callable[[Chain, Artifact], None], problem: str
) -> None:
    artifact: Artifact = getattr(chain, name)
    names = [path.relative_to(artifact.directory).as_posix() for path in artifact.files()]
    before = chain.links()

    harm(chain, artifact)

    problems = chain.problems()
    assert list(problems) == [artifact.name]
    assert problems[artifact.name].startswith(problem.format(file=names[0], last=names[-1]))
    # What it was is still known, but not what it was made from.
    links = [link for link in chain.links() if not link.problem]
    assert all(link in before for link in links)
    assert {link.what for link in chain.links() if link.problem} == {artifact.manifest.stage}
    links_left = {"model": 3, "tokens": 6, "corpus": 6}
    assert len(chain.links()) == links_left[name]


@pytest.mark.parametrize("name", ["source", "batch"])
@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: path.unlink(), "no longer there"),
        (lambda path: path.write_text("title\n别的\n", encoding="utf-8"), "its bytes have changed"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "its bytes have changed"),
        (lambda path: path.unlink() or path.mkdir(), "its bytes have changed"),
    ],
)
def test_a_file_from_outside_that_is_gone_or_changed_is_named(
    chain: Chain, name: str, harm: Callable[[Path], object], problem: str
) -> None:
    path: Path = getattr(chain, name)
    harm(path)
    [(file, message)] = chain.problems().items()  # the source is a source of two artifacts
    assert file == chain.root.store.name_of(path)
    assert message.startswith(problem)
    assert {link.what for link in chain.links() if link.problem} == {"file"}


def test_an_artifact_rebuilt_from_other_bytes_is_named(chain: Chain) -> None:
    chain.source.write_text("title,label\n别的新闻,0\n", encoding="utf-8")
    other = ingest(chain.root, "small", str(chain.source))
    assert chain.problems() == {
        "corpus/small": f"replaced by another artifact, with key {other.manifest.key[:16]}"
    }


def test_a_damaged_artifact_that_was_asked_for_is_an_error(chain: Chain) -> None:
    chain.predictions.files()[0].unlink()
    with pytest.raises(InputError, match="damaged"):
        chain.links()


def test_what_is_no_artifact_is_an_error(chain: Chain) -> None:
    directory = chain.root.url
    for path in (f"{directory}/none", f"{directory}/predictions", directory, chain.source):
        with pytest.raises(InputError, match=r"_manifest\.json"):
            lineage(chain.root, chain.root.resolve(str(path)))
    with pytest.raises(InputError, match=r"_manifest\.json"):
        lineage(chain.root, "inbox/a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a~2.csv"])
def test_an_archived_batch_is_found(chain: Chain, name: str) -> None:
    archive = chain.root.store.fetch(chain.root.archive)
    archive.mkdir()
    (archive / "a~1.csv").write_text("title\n别的\n", encoding="utf-8")
    chain.batch.rename(archive / name)
    assert chain.problems() == {}
    [link] = [link for link in chain.links() if link.note]
    assert (link.path, link.note) == (f"archive/{name}", "archived; it was inbox/a.csv")
    (archive / name).write_text("title\n别的\n", encoding="utf-8")
    assert chain.problems() == {"inbox/a.csv": "no longer there"}


def test_a_batch_of_an_inbox_elsewhere_is_found(chain: Chain, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    chain.batch.parent.rename(uploads)
    chain.batch.parent.symlink_to(uploads)
    inputs = (Input(str(uploads / "a.csv"), file_sha256(chain.batch), 1),)
    recipe = Recipe("predictions", 1, inputs, {})
    chain.root.store.publish(chain.predictions.name, recipe, write_something)
    archive = chain.root.store.fetch(chain.root.archive)
    archive.mkdir()
    chain.batch.rename(archive / "a.csv")
    assert [link.path for link in chain.links()][1:] == ["archive/a.csv"]
