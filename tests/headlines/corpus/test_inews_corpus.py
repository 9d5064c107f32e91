import json
import math

import pandas as pd
import pyarrow.parquet as pq

from headlines.corpus import inews
from headlines.corpus.dataset import ensure, read_corpus
from headlines.corpus.write_files import SCHEMA
from headlines.readers.titles import record_id
from headlines.segmentation import segment
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from lstm_model.architecture import weight_shapes
from lstm_model.presets import PRESETS
from lstm_model.vocabulary import Vocabulary

from .checks import ALL_COLUMNS, rejected_rows


def test_counts_of_inews(inews_corpus: Artifact) -> None:
    counts = inews_corpus.counts
    splits = counts["splits"]
    kept = {split: splits[split]["rows"] for split in splits}
    assert kept == {"train": 5355, "dev": 998, "test": 999}
    assert counts["rows_in"] == 5355 + 999 + 999
    assert (counts["rows"], counts["rejected"]) == (7352, 1)
    assert counts["reasons"] == {"title is blank": 1}
    assert splits["train"]["labels"] == {"positive": 578, "neutral": 2672, "negative": 2105}
    assert splits["dev"]["titles_also_in_train"] == 29
    assert splits["test"]["titles_also_in_train"] == 24
    assert splits["train"]["titles_also_in_train"] == 0
    for figures in splits.values():
        assert sum(figures["labels"].values()) + figures["unlabelled"] == figures["rows"]


def test_rejected_row_of_inews_keeps_its_bytes(inews_root: DataRoot) -> None:
    [row] = rejected_rows(inews_root, "inews")
    blank = [
        record
        for record in inews.read_split(inews.split_paths()["dev"], "dev")
        if not record.fields["title"].strip()
    ]
    assert row["reason"] == "title is blank"
    assert row["row"] == 5355 + blank[0].row
    assert json.loads(row["raw"]) == blank[0].fields
    assert len(blank) == 1


def test_rows_of_inews_are_unchanged_and_in_order(inews_corpus: Artifact) -> None:
    given_rows = [
        record.fields
        for split, path in inews.split_paths().items()
        for record in inews.read_split(path, split)
    ]
    frame = read_corpus(inews_corpus, ALL_COLUMNS)
    assert frame["row"].is_monotonic_increasing
    columns = ["title", "content", "label", "split"]
    for row, *values in frame[["row", *columns]].itertuples(index=False):
        assert values == [given_rows[row][name] for name in columns]
    assert frame["record_id"].tolist() == [record_id(title) for title in frame["title"]]


def test_leaked_titles_of_inews_are_flagged_in_all_splits(inews_corpus: Artifact) -> None:
    frame = read_corpus(inews_corpus, ALL_COLUMNS)
    ids = {split: set(part["record_id"]) for split, part in frame.groupby("split")}
    held_out = ids["dev"] | ids["test"]
    for split, identity, leaked in frame[["split", "record_id", "leaked"]].itertuples(index=False):
        assert leaked == (identity in (held_out if split == "train" else ids["train"]))
    honest = frame[(frame["split"] == "train") & ~frame["leaked"]]
    assert set(honest["title"]).isdisjoint(frame.loc[frame["split"] != "train", "title"])


def test_files_of_inews_have_schema_and_compression(inews_corpus: Artifact) -> None:
    assert {path.parent.name for path in inews_corpus.files(".parquet")} == {
        "split=train",
        "split=dev",
        "split=test",
    }
    for path in inews_corpus.files(".parquet"):
        assert pq.read_schema(path).equals(SCHEMA)
        group = pq.read_metadata(path).row_group(0)
        assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
    assert [(field.name, str(field.type), field.nullable) for field in SCHEMA] == [
        ("source", "string", False),
        ("row", "int64", False),
        ("record_id", "string", False),
        ("title", "string", False),
        ("content", "string", True),
        ("label", "int8", True),
        ("duplicate", "bool", False),
        ("label_conflict", "bool", False),
        ("leaked", "bool", False),
    ]


def test_pandas_opens_the_corpus_as_one_dataset(inews_corpus: Artifact) -> None:
    frame = pd.read_parquet(inews_corpus.directory)
    assert frame["split"].value_counts().to_dict() == {"train": 5355, "test": 999, "dev": 998}


def test_inews_gives_the_sizes_of_the_notebook_model(
    inews_corpus: Artifact,
) -> None:
    frame = read_corpus(inews_corpus, ["title", "split"])
    tokens = segment(frame.loc[frame["split"] == "train", "title"].tolist())
    preset = PRESETS["notebook"]
    vocabulary = Vocabulary.build(tokens, "text_vectorization")
    assert len(tokens) == 5355
    assert len(vocabulary) == 18_188
    _, lengths = vocabulary.ids(tokens)
    assert lengths.max() == preset.padded_length == 44
    shapes = weight_shapes(preset, len(vocabulary))
    assert sum(math.prod(shape) for shape in shapes.values()) == 2_348_771


def test_missing_inews_is_ingested(root: DataRoot, inews_corpus: Artifact) -> None:
    artifact = ensure(root, "inews")
    assert not artifact.reused
    assert artifact.manifest.key == inews_corpus.manifest.key
    assert artifact.manifest.files == inews_corpus.manifest.files
    assert ensure(root, "inews").reused
