"""Models that read articles as well as titles: trained, evaluated, exported, and used in every way.

The titles of this corpus tell nothing: the article below each alone gives its label away.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from headlines import predict
from headlines.corpus.examples import examples
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation.baseline import fit_baseline
from headlines.evaluation.evaluate import evaluate
from headlines.models import champion
from headlines.models.export import export
from headlines.scoring.batch import Batch
from headlines.scoring.stream import score_stream
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens, count_missing_articles
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.pretrain import pretrain
from headlines.training.train import train
from lstm_model.branch_config import ArticleConfig
from lstm_model.presets import PRESETS
from tests.score import run, score_options

ARTICLES = ("昨日获奖，喜讯传来。", "今日天气晴。", "车祸致两人身亡。")


PRESET = dataclasses.replace(
    PRESETS["fast"],
    name="small",
    min_count=1,
    embedding_size=8,
    units=6,
    epochs=8,
    learning_rate=3e-2,
    batch_size=8,
    adversarial=0.0,
    dropout=0.0,
    contents=ArticleConfig(
        characters=40, min_articles=1, c=8.0, network_weight=0.75, article_weight=0.5
    ),
)


def news(path: Path, *, contents: bool = True) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "label", "split", *(["content"] if contents else [])])
        for number in range(75):
            split = ("train", "train", "train", "dev", "test")[number // 3 % 5]
            title = f"第{number}号{' ' * (number % 2)}消息"
            row = [title, number % 3, split, ARTICLES[number % 3]]
            writer.writerow(row[: 4 if contents else 3])
    return str(path)


class Made(NamedTuple):
    """A data root whose champion reads articles, and what that was made from."""

    root: DataRoot
    corpus: Artifact
    tokens: Artifact
    model: Artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Trained once: tests add batches, each of a name of its own."""
    folder = tmp_path_factory.mktemp("contents")
    root = DataRoot.open(folder / "data")
    corpus = ingest(root, "news", news(folder / "news.csv"))
    tokens = segment_corpus(root, corpus)
    vectors = pretrain(root, corpus, PRESET)
    return Made(root, corpus, tokens, train(root, corpus, tokens, PRESET, None, vectors))


@pytest.fixture(autouse=True)
def _root(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(made.root.store.directory))


def test_so_many_characters_are_cut_and_no_more() -> None:
    articles = ["天" * 100, "", None, " ", float("nan"), ["天"]]
    words = article_tokens(PRESET, Segmenter(), articles)
    assert words is not None
    assert "".join(words[0]) == "天" * 40
    assert words[1:3] == [[], []]
    assert count_missing_articles(words) == 5
    assert article_tokens(PRESETS["default"], Segmenter(), articles) is None
    assert count_missing_articles(None) == 0


def test_articles_decide_where_titles_tell_nothing(made: Made) -> None:
    evaluation = evaluate(made.root, made.model, made.corpus, made.tokens)
    counts = evaluation.counts
    assert counts["metrics"]["test"]["all"]["accuracy"] == 1.0
    assert counts["baseline_macro_f1"] == 1.0  # it reads them too
    # A title that is changed keeps its article.
    behaviour = json.loads((evaluation.directory / "behaviour.json").read_text("utf-8"))
    [spaces] = [one for one in behaviour["checks"] if one["name"] == "doubled spaces"]
    assert spaces["share"] == 1.0
    assert 0 < spaces["rows"] < 15  # every other one: the articles must be picked with them


def test_the_baseline_reads_what_the_network_reads(made: Made) -> None:
    right = {}
    for preset in (PRESET, PRESETS["default"]):
        found = fit_baseline(made.root, made.corpus, made.tokens, preset).artifact
        assert found is not None
        rows = pq.read_table(found.directory / "predictions.parquet").to_pandas()
        right[preset.name] = (rows["prediction"] == rows["row"] % 3).mean()
    assert right["small"] == 1.0
    assert right["default"] < 0.8


def test_a_corpus_without_articles_is_refused(root: DataRoot, tmp_path: Path) -> None:
    corpus = ingest(root, "bare", news(tmp_path / "bare.csv", contents=False))
    with pytest.raises(InputError, match="reads articles, and no headline of dev has one"):
        train(root, corpus, segment_corpus(root, corpus), PRESET)


def test_articles_are_cut_as_the_titles_were(made: Made) -> None:
    with pytest.raises(InputError, match="cut by a different segmenter"):
        examples(made.corpus, made.tokens, "train", PRESET, Segmenter("paddle"))


@pytest.mark.parametrize("column", ["content", "正文"])
def test_a_batch_is_labelled_by_its_articles(made: Made, tmp_path: Path, column: str) -> None:
    file = tmp_path / f"{column}.jsonl"
    rows = [{"title": "一则消息", column: article} for article in ARTICLES]
    rows += [{"title": "一则消息"}, {"title": "一则消息", column: " "}]
    rows += [{"title": "一则消息", column: [ARTICLES[0]]}]  # which is no text
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    batch = Batch.of_file(made.root, file)
    result = run(made.root, batch, score_options(content_column=column))
    assert (result.scored, result.without_content) == (6, 3)
    table = pq.read_table(Path(result.predictions, "part-00000.parquet"), partitioning=None)
    assert table.column("label").to_pylist()[:3] == [0, 1, 2]
    assert json.loads(table.column("extra")[0].as_py()) == {column: ARTICLES[0]}
    with pytest.raises(InputError, match="already scored with different options"):
        run(made.root, batch, score_options(content_column="其他"))
    expected = predict(["一则消息"] * 6, contents=[*ARTICLES, None, None, None])
    np.testing.assert_array_equal(table.column("p_positive").to_numpy(), expected[:, 0])
    assert len(np.unique(expected[3:], axis=0)) == 1


def test_a_model_of_titles_ignores_articles(
    root: DataRoot,
    tmp_path: Path,
    publish_model: Callable[..., Artifact],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))
    publish_model(root, "titles")
    champion.promote(root, "titles", "a test")
    file = tmp_path / "day.csv"
    file.write_text(f"title,content\n消息,{ARTICLES[0]}\n", encoding="utf-8")
    batch = Batch.of_file(root, file)
    assert run(root, batch).without_content == 0
    other = score_options(content_column="正文")  # it is not read
    assert run(root, batch, other).outcome == "reused"
    np.testing.assert_array_equal(predict(["消息"]), predict(["消息"], contents=[ARTICLES[0]]))


def test_a_stream_is_labelled_by_its_articles(made: Made) -> None:
    rows = [{"title": "消息", "content": article} for article in (*ARTICLES, None)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    out, rejects = io.BytesIO(), io.BytesIO()
    counts = score_stream(
        made.root,
        io.BytesIO(content),
        out,
        rejects,
        "jsonl",
        score_options(max_reject_rate=0.05),
    )
    assert (counts["scored"], counts["without_content"]) == (4, 1)
    labels = [json.loads(line)["label"] for line in out.getvalue().splitlines()]
    assert labels[:3] == [0, 1, 2]


def test_contents_that_do_not_fit_the_titles_are_refused() -> None:
    with pytest.raises(ValueError, match="1 titles, but 2 contents"):
        predict(["消息"], contents=["甲", "乙"])
    with pytest.raises(TypeError, match="not one content"):
        predict(["消息"], contents="甲")
    with pytest.raises(TypeError, match="content 0 is neither text nor None"):
        predict(["消息"], contents=[float("nan")])  # type: ignore[list-item]


def test_an_export_is_checked_with_articles(made: Made, tmp_path: Path) -> None:
    result = export("champion", "onnx", tmp_path / "onnx", made.root)
    assert result["checked"] == 15
    assert result["largest_difference"] <= 1e-5
