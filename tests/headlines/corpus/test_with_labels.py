"""A corpus with labels of reviews: what is trained on, what is held out, and what stays."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headlines.corpus.dataset import ensure, read_corpus
from headlines.corpus.examples import examples
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.corpus.with_labels import held_out_splits
from headlines.errors import InputError
from headlines.readers import ReadOptions
from headlines.review.labelled import read_labels
from headlines.review.selection import BY_LOT, ReviewSize
from headlines.review.take_labels import take_labels
from headlines.segmentation import Segmenter
from headlines.storage.data_root import DataRoot
from headlines.storage.lineage import lineage
from tests.factories import make_labels, publish_predictions, quick_preset, write_corpus

COLUMNS = ["row", "split", "record_id", "title", "label", "duplicate", "label_conflict", "leaked"]
HAN = np.random.default_rng(0).choice(5000, (32, 9), replace=False) + 0x4E00
NEW = ["".join(map(chr, row)) for row in HAN]  # no character twice


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """90 labelled headlines such as 某地获奖第0号."""
    return write_corpus(tmp_path / "news.csv")


def publish(root: DataRoot, titles: Sequence[str], batch: str = "a.csv") -> None:
    rng = np.random.default_rng(0)
    publish_predictions(root, batch, titles, rng.dirichlet((1, 1, 1), len(titles)).tolist())


def rows_of(root: DataRoot) -> pd.DataFrame:
    return read_corpus(ensure(root, "news+labels"), COLUMNS)


def test_labels_are_added_and_the_lot_is_held_out(root: DataRoot, corpus_file: Path) -> None:
    base = ingest(root, "news", str(corpus_file))
    publish(root, NEW)
    labels = make_labels(root, "first", ReviewSize(20, lot=0.25), lambda title: "负面")
    corpus = ensure(root, "news+labels")
    frame = read_corpus(corpus, COLUMNS)
    pd.testing.assert_frame_equal(frame[: base.rows], read_corpus(base, COLUMNS))
    added = frame[base.rows :].set_index("record_id")
    given = read_labels(labels).set_index("record_id")
    assert (added["label"] == 2).all()
    assert {*added.index} == {*given.index}
    held_out = given["drawn"] == BY_LOT
    assert (added["split"] == held_out.map({True: "reviewed", False: "train"})).all()
    assert not added[["duplicate", "label_conflict", "leaked"]].any(axis=None)
    assert frame["row"].is_unique
    counts = corpus.counts
    assert counts["rows_in"] == counts["rows"] + counts["rejected"] == base.rows + len(given)
    assert counts["splits"]["reviewed"]["rows"] == 5
    assert counts["splits"]["train"]["rows"] == base.counts["splits"]["train"]["rows"] + 15
    assert [link.what for link in lineage(root, corpus.name)] == [
        "labelled corpus", "corpus", "file", "labels", "review", "predictions", "file",
    ]  # fmt: skip
    assert held_out_splits(corpus) == ("dev", "test", "reviewed")
    assert held_out_splits(base) == ("dev", "test")
    assert ensure(root, "news+labels").reused


def test_its_words_and_examples_are_those_of_its_rows(root: DataRoot, corpus_file: Path) -> None:
    ingest(root, "news", str(corpus_file))
    publish(root, NEW)
    make_labels(root, "first", ReviewSize(20, lot=0.25), lambda title: "1")
    corpus = ensure(root, "news+labels")
    tokens = segment_corpus(root, corpus)
    assert tokens.rows == corpus.rows
    for split, rows in (("train", 54 + 15), ("reviewed", 5)):
        taught = examples(corpus, tokens, split, quick_preset(), Segmenter())
        assert len(taught.labels) == rows


def test_marks_that_do_not_show_are_left_out(root: DataRoot, corpus_file: Path) -> None:
    base = ingest(root, "news", str(corpus_file))
    publish(root, [f"\N{ZERO WIDTH SPACE}{title}" for title in NEW[:5]])
    make_labels(root, "first", ReviewSize(5, lot=0.4), lambda title: "0")
    assert {*rows_of(root)["title"][base.rows :]} == {*NEW[:5]}


def test_nothing_that_is_held_out_is_trained_on(root: DataRoot, corpus_file: Path) -> None:
    base = read_corpus(ingest(root, "news", str(corpus_file)), COLUMNS)
    in_train, in_dev = (base[base["split"] == split]["title"] for split in ("train", "dev"))
    publish(root, [*in_train[:8], *in_dev[:5], *NEW[:7]])
    make_labels(root, "first", ReviewSize(20, lot=1), lambda title: "0")
    frame = rows_of(root)
    reviewed = frame[frame["split"] == "reviewed"]
    assert {*reviewed["title"]} == {*in_train[:8], *NEW[:7]}
    assert {*reviewed["title"][reviewed["leaked"]]} == {*in_train[:8]}
    train = frame[frame["split"] == "train"]
    assert {*train["title"][train["leaked"]]} == {*in_train[:8]}
    assert len(train) == len(in_train)
    held_out = frame[frame["split"].isin(["dev", "test"])].reset_index(drop=True)
    before = base[base["split"].isin(["dev", "test"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(held_out, before)
    counts = ensure(root, "news+labels").counts
    assert counts["reasons"] == {"the headline is in dev or test": 5}
    assert counts["splits"]["train"]["leaked"] == 8


def test_a_chosen_headline_of_train_is_flagged(root: DataRoot, corpus_file: Path) -> None:
    base = read_corpus(ingest(root, "news", str(corpus_file)), COLUMNS)
    known = base[base["split"] == "train"].drop_duplicates("record_id")[:6]
    publish(root, [*known["title"]])
    make_labels(root, "first", ReviewSize(6, lot=0), lambda title: "0")
    added = rows_of(root)[len(base) :].set_index("record_id")
    assert len(added) > 1  # near-duplicates are not chosen
    assert added["duplicate"].all()
    labels = known.set_index("record_id")["label"][added.index]
    assert (added["label_conflict"] == (labels != 0)).all()


def test_a_chosen_headline_drawn_by_lot_later_is_held_out(
    root: DataRoot, corpus_file: Path
) -> None:
    ingest(root, "news", str(corpus_file))
    publish(root, NEW[:20])
    make_labels(root, "first", ReviewSize(20, lot=0), lambda title: "0")
    chosen = {*rows_of(root)["title"]} & {*NEW}
    assert len(chosen) == 20
    make_labels(root, "second", ReviewSize(20, lot=1), lambda title: "1")
    frame = rows_of(root)
    added = frame[frame["title"].isin(NEW)]
    assert len(added) == 20
    assert (added["split"] == "reviewed").all()
    assert (added["label"] == 1).all()  # the latest


def test_disagreement_is_a_soft_label_or_left_out(
    root: DataRoot, corpus_file: Path, tmp_path: Path
) -> None:
    ingest(root, "news", str(corpus_file))
    publish(root, NEW)
    make_labels(root, "first", ReviewSize(20, lot=0.5), lambda title: "0")
    sheet = root.store.directory / root.review_sheet("first")
    other = tmp_path / "other.csv"
    other.write_text(re.sub(r"(?m)^(\w+),0,", r"\1,2,", sheet.read_text("utf-8")), "utf-8")
    take_labels(root, [other], ReadOptions())
    corpus = ensure(root, "news+labels")
    assert corpus.counts["reasons"] == {"people disagree on a headline drawn by lot": 10}
    added = pd.read_parquet(corpus.directory / "split=train" / "labels.parquet")
    assert added["label"].isna().all()
    assert added[["p_positive", "p_neutral", "p_negative"]].to_numpy().tolist() == [
        [0.5, 0, 0.5]
    ] * len(added)
    assert corpus.counts["splits"]["train"]["soft_labels"] == len(added) == 10
    tokens = segment_corpus(root, corpus)
    taught = examples(corpus, tokens, "train", quick_preset(), Segmenter(), for_training=True)
    assert taught.targets(0.3)[-10:].tolist() == [[0.5, 0, 0.5]] * 10
    assert held_out_splits(corpus) == ("dev", "test")


def test_without_labels_there_is_no_such_corpus(root: DataRoot, corpus_file: Path) -> None:
    ingest(root, "news", str(corpus_file))
    with pytest.raises(InputError, match="headlines review"):
        ensure(root, "news+labels")
    with pytest.raises(InputError, match="cannot be a corpus name"):
        ingest(root, "news+labels", str(corpus_file))
    with pytest.raises(InputError, match="cannot be a corpus name"):
        root.corpus("../x+labels")
