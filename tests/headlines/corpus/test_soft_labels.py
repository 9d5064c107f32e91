"""Soft labels and weights of a corpus: checked, counted, and given to the training alone."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import examples
from headlines.corpus.ingest import ingest
from headlines.corpus.soft_labels import (
    PROBABILITIES,
    TRAINING_COLUMNS,
    read_soft_label,
    read_weight,
)
from headlines.corpus.tokens import segment_corpus
from headlines.corpus.write_files import SCHEMA
from headlines.errors import InputError
from headlines.evaluation.held_out import predict_held_out
from headlines.segmentation import Segmenter
from headlines.storage.data_root import DataRoot
from tests.factories import publish_model, quick_preset

from .checks import rejected_rows

NUMBERS = st.floats(0, 1) | st.sampled_from(
    [1e-320, 0.3333, -0.1, 1.5, math.nan, math.inf, 10**400]
)
VALUES = (
    NUMBERS
    | st.floats(0, 1).map(str)
    | st.sampled_from([None, "", "x", True, [0.5], "nan", "-0.1", 0, 1])
)


@given(values=st.tuples(VALUES, VALUES, VALUES))
def test_a_soft_label_is_absent_normalised_or_refused(values: tuple[Any, ...]) -> None:
    fields = {"title": "天气", **dict(zip(PROBABILITIES, values, strict=True))}
    absent = [value is None or value == "" for value in values]
    try:
        soft_label = read_soft_label(fields)
    except ValueError as error:
        reason = str(error)
    else:
        if soft_label is None:
            assert all(absent)
            return
        given_numbers = np.array([float(value) for value in values])
        assert math.fsum(soft_label) == pytest.approx(1, abs=1e-12)
        assert soft_label == pytest.approx(given_numbers / given_numbers.sum(), abs=1e-6)
        assert abs(given_numbers.sum() - 1) < 1.001e-3
        return
    if "is not a number from 0" in reason:
        assert any(reason.startswith(name) for name in PROBABILITIES)
    elif "not all of" in reason:
        assert 0 < sum(absent) < 3
    else:
        assert reason == "the sum of p_positive, p_neutral, p_negative is not 1"
        assert abs(sum(map(float, values)) - 1) > 0.999e-3


@given(probabilities=st.lists(st.floats(0, 1), min_size=3, max_size=3), digits=st.integers(4, 9))
def test_rounded_probabilities_are_a_soft_label(probabilities: list[float], digits: int) -> None:
    total = math.fsum(probabilities) or 1.0
    rounded = [round(value / total, digits) for value in probabilities]
    if sum(rounded):
        fields = dict(zip(PROBABILITIES, map(str, rounded), strict=True))
        assert read_soft_label(fields) == pytest.approx(np.array(rounded), abs=1e-3)


@given(value=VALUES)
def test_a_weight_is_absent_above_0_or_refused(value: Any) -> None:
    try:
        number = math.nan if isinstance(value, bool) else float(value or 0)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    fields = {"weight": value}
    if value is None or value == "":
        assert read_weight(fields) is None
    elif 0 < np.float32(number) < np.inf:
        assert read_weight(fields) == np.float32(number)
    else:
        with pytest.raises(ValueError, match="weight is not"):
            read_weight(fields)


ROWS: list[dict[str, Any]] = [
    {"title": "获奖", "label": 0, "split": "train"},
    {"title": "公告", "label": 1, "split": "train", "weight": 2},
    {"title": "车祸", "p_positive": 0.1, "p_neutral": 0.2, "p_negative": 0.7},
    {"title": "火灾", "label": 1, "split": "train", "p_positive": 0, "p_neutral": 0.25,
     "p_negative": 0.75, "weight": "0.5"},
    {"title": "晴天", "split": "train"},
    {"title": "丰收", "label": 0, "split": "dev", "p_positive": 0.2, "p_neutral": 0.6,
     "p_negative": 0.2},
    {"title": "喜讯", "split": "dev", "p_positive": 1, "p_neutral": 0, "p_negative": 0},
    {"title": "雾", "label": 1, "split": "test"},
]  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_soft_labels_and_weights_are_counted_and_kept(root: DataRoot, tmp_path: Path) -> None:
    corpus = ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", ROWS)))
    frame = read_corpus(corpus, ["title", "split", *TRAINING_COLUMNS])
    assert frame["title"].tolist() == [row["title"] for row in ROWS]
    # Without a label and a split it can only be trained on.
    assert frame["split"][2] == "train"
    np.testing.assert_allclose(frame["p_negative"][[2, 3]], [0.7, 0.75], rtol=1e-6)
    assert frame["p_positive"].notna().tolist() == [
        False,
        False,
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert frame["weight"].dropna().to_dict() == {1: 2, 3: 0.5}

    splits = corpus.counts["splits"]
    assert {name: splits[name]["soft_labels"] for name in splits} == {
        "train": 2,
        "dev": 2,
        "test": 0,
    }
    assert {name: splits[name]["weights"] for name in splits} == {"train": 2, "dev": 0, "test": 0}
    assert splits["train"]["unlabelled"] == 2
    assert corpus.counts["warnings"] == {
        "dev uses labels alone: a soft label does not count": {"rows": 1, "first": 6}
    }
    assert corpus.counts["columns_left_out"] == []


def test_only_training_gets_soft_labels(root: DataRoot, tmp_path: Path) -> None:
    corpus = ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", ROWS)))
    tokens = segment_corpus(root, corpus)
    given_rows = (corpus, tokens, "train", quick_preset(), Segmenter())
    training = examples(*given_rows, for_training=True)
    assert training.token_lists == [["获奖"], ["公告"], ["车祸"], ["火灾"]]
    assert training.labels.tolist() == [0, 1, -1, 1]
    assert training.weights is not None
    assert training.weights.tolist() == [1, 2, 1, 0.5]
    np.testing.assert_allclose(
        training.targets(0.3),
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0, 0.25, 0.75]],
        atol=1e-6,
    )
    for split, words in (("train", [["获奖"], ["公告"], ["火灾"]]), ("dev", [["丰收"]])):
        measured = examples(corpus, tokens, split, quick_preset(), Segmenter())
        assert measured.token_lists == words
        assert measured.soft_labels is measured.weights is None
    model = publish_model(root, "m1")
    predictions = predict_held_out(root, model, corpus, tokens, ["dev", "test"]).predictions
    assert predictions["row"].tolist() == [5, 7]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"p_positive": 0.5, "p_neutral": 0.5},
         "not all of p_positive, p_neutral, p_negative are given"),
        ({"p_positive": 0.5, "p_neutral": 0.5, "p_negative": 0.1},
         "the sum of p_positive, p_neutral, p_negative is not 1"),
        ({"p_positive": 1.5, "p_neutral": -0.5, "p_negative": 0},
         "p_neutral is not a number from 0"),
        ({"p_positive": "好", "p_neutral": 0, "p_negative": 1},
         "p_positive is not a number from 0"),
        ({"weight": 0}, "weight is not above 0"),
        ({"weight": "inf"}, "weight is not a number from 0"),
    ],
)  # fmt: skip
def test_bad_soft_labels_and_weights_are_rejected(
    root: DataRoot, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", [*ROWS, {"title": "x", **fields}])))
    [row] = rejected_rows(root, "mine")
    assert (row["row"], row["reason"]) == (len(ROWS), reason)


def test_a_corpus_without_them_has_no_such_columns(root: DataRoot, tmp_path: Path) -> None:
    corpus = ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", ROWS[:1])))
    [path] = corpus.files(".parquet")
    assert pq.read_schema(path).names == SCHEMA.names
    assert "training_columns" not in corpus.manifest.config
    assert "soft_labels" not in corpus.counts["splits"]["train"]
    assert read_corpus(corpus, ["weight"])["weight"].isna().all()
    with_weights = ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", ROWS[1:2])))
    assert with_weights.manifest.config["training_columns"] == ["weight"]


def test_a_soft_label_of_a_held_out_title_is_not_trained_on(root: DataRoot, tmp_path: Path) -> None:
    taught = {"p_positive": 1, "p_neutral": 0, "p_negative": 0}
    rows = [{"title": "丰收", **taught}, {"title": "丰收", "label": 0, "split": "dev"}]
    corpus = ingest(root, "mine", str(write_rows(tmp_path / "a.jsonl", rows)))
    arguments = (corpus, segment_corpus(root, corpus), "train", quick_preset(), Segmenter())
    with pytest.raises(InputError, match="'train' has no labelled headlines"):
        examples(*arguments, keep_leaked=False, for_training=True)
