"""Predictions of held-out rows: the same for any file size and runner."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from headlines.corpus.dataset import read_corpus
from headlines.corpus.ingest import IngestSizes, ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import DamagedArtifact
from headlines.evaluation import held_out as module
from headlines.evaluation import tables
from headlines.evaluation.evaluate import evaluate
from headlines.evaluation.held_out import predict_held_out
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

Make = Callable[[str, int], tuple[DataRoot, Artifact, Artifact, Artifact]]

ROWS = 90
WORDS = ("股市大涨", "某地地震", "天气", "火山，爆发", "夺冠")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Rows of all splits; some have no label."""
    path = tmp_path / "news.csv"
    rows = [
        f"{WORDS[row % 5]}{'' if row % 4 else row},{('0', '1', '2', '')[row % 4]},"
        f"{('train', 'dev', 'test')[row % 3]}"
        for row in range(ROWS)
    ]
    path.write_text("\n".join(["title,label,split", *rows]), encoding="utf-8")
    return path


@pytest.fixture
def make(
    tmp_path: Path,
    source: Path,
    publish_model: Callable[..., Artifact],
) -> Make:
    """Makes a data root with a model, a corpus in files of `part_rows`, and its tokens."""

    def of(name: str, part_rows: int) -> tuple[DataRoot, Artifact, Artifact, Artifact]:
        root = DataRoot.open(tmp_path / name)
        corpus = ingest(root, "news", str(source), sizes=IngestSizes(part_rows=part_rows))
        return root, publish_model(root, "m"), corpus, segment_corpus(root, corpus)

    return of


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_the_evaluation_does_not_depend_on_the_file_size(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    whole = evaluate(*make("whole", 1_000))
    root, *made_from = make("parts", 7)
    monkeypatch.setattr(module, "_MIN_WORKER_ROWS", 1)  # workers for small files too
    monkeypatch.setattr(tables, "_FRAME_ROWS", 4)
    root = replace(root, settings=Settings(runner=kind, workers=2))
    parts = evaluate(root, *made_from)
    for expected, actual in zip(whole.files(), parts.files(), strict=True):
        if expected.suffix != ".html":  # the report names the files of the corpus
            assert actual.read_bytes() == expected.read_bytes(), actual.name
    assert parts.counts == whole.counts
    assert parts.counts["mistakes"] > 4


def test_a_large_table_has_several_row_groups_and_the_same_rows(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = evaluate(*make("whole", 1_000))
    monkeypatch.setattr(tables, "_FRAME_ROWS", 4)
    monkeypatch.setattr(tables, "_ROW_GROUP_ROWS", 10)
    parts = evaluate(*make("parts", 1_000))
    name = "output_check.parquet"
    actual, expected = (artifact.directory / name for artifact in (parts, whole))
    assert pq.read_table(actual).equals(pq.read_table(expected))
    groups = pq.read_metadata(actual)
    rows = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    assert rows[:-1] == [12] * (len(rows) - 1)
    assert len(rows) > 2


def test_titles_are_read_by_position_in_any_order(
    make: Make,
) -> None:
    root, model, corpus, tokens = make("parts", 7)
    held_out = predict_held_out(root, model, corpus, tokens, ("dev", "test"))
    titles = read_corpus(corpus, ["row", "title"]).set_index("row")["title"]
    order = np.random.default_rng(3).permutation(len(held_out.predictions))
    for positions in (order, order[:5], order[:0]):
        expected = titles.loc[held_out.predictions["row"].to_numpy()[positions]].tolist()
        assert held_out.titles(positions).to_pylist() == expected
    lengths = titles.loc[held_out.predictions["row"].to_numpy()].str.len()
    assert held_out.predictions["length"].tolist() == lengths.tolist()


def test_other_tokens_and_changed_files_are_refused(make: Make, source: Path) -> None:
    root, model, corpus, tokens = make("parts", 1_000)
    lines = source.read_text(encoding="utf-8").splitlines()
    source.write_text("\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    other = ingest(root, "other", str(source))
    with pytest.raises(DamagedArtifact, match="tokens of other rows"):
        predict_held_out(root, model, other, tokens, ("dev",))
    [path] = [path for path in corpus.files() if path.parent.name == "split=dev"]
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(DamagedArtifact, match="is not what the manifest says"):
        predict_held_out(root, model, corpus, tokens, ("dev",))
