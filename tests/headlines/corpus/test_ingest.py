import json
import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.corpus import inews
from headlines.corpus.ingest import SCHEMA, check_exists, ensure, ingest, read_corpus
from headlines.errors import InputError
from headlines.readers.titles import record_id
from headlines.segmentation import segment
from headlines.storage.artifact import Artifact, open_artifact
from headlines.storage.layout import Catalog
from lstm_model.architecture import weight_shapes
from lstm_model.presets import PRESETS
from lstm_model.vocabulary import Vocabulary

ALL = [*SCHEMA.names, "split"]


def rejected_rows(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    path = catalog.rejected(f"corpus:{name}") / "part-00000.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path, partitioning=None).to_pylist()
    return rows


def left_in(catalog: Catalog) -> list[Path]:
    """The files of a data root, but for its locks, which are empty and stay."""
    return [path for path in catalog.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def write_source(folder: Path, suffix: str, frame: pd.DataFrame) -> Path:
    path = folder / f"source{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_csv(path, sep={".csv": ",", ".tsv": "\t"}[suffix], index=False)
    return path


# --- the iNews corpus ----------------------------------------------------------------------


def test_the_counts_of_inews(inews_corpus: Artifact) -> None:
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


def test_the_one_bad_row_of_inews_is_kept_with_its_bytes(inews_catalog: Catalog) -> None:
    [row] = rejected_rows(inews_catalog, "inews")
    blank = [
        record
        for record in inews.read_split(inews.split_paths()["dev"], "dev")
        if not record.fields["title"].strip()
    ]
    assert row["reason"] == "title is blank"
    assert row["row"] == 5355 + blank[0].row
    assert json.loads(row["raw"]) == blank[0].fields
    assert len(blank) == 1


def test_every_other_row_of_inews_stands_in_its_place(inews_corpus: Artifact) -> None:
    given_rows = [
        record.fields
        for split, path in inews.split_paths().items()
        for record in inews.read_split(path, split)
    ]
    frame = read_corpus(inews_corpus, ALL)
    assert frame["row"].is_monotonic_increasing
    columns = ["title", "content", "label", "split"]
    for row, *values in frame[["row", *columns]].itertuples(index=False):
        assert values == [given_rows[row][name] for name in columns]
    assert frame["record_id"].tolist() == [record_id(title) for title in frame["title"]]


def test_leaked_titles_of_inews_are_flagged_on_both_sides(inews_corpus: Artifact) -> None:
    frame = read_corpus(inews_corpus, ALL)
    ids = {split: set(part["record_id"]) for split, part in frame.groupby("split")}
    held_out = ids["dev"] | ids["test"]
    for split, identity, leaked in frame[["split", "record_id", "leaked"]].itertuples(index=False):
        assert leaked == (identity in (held_out if split == "train" else ids["train"]))
    honest = frame[(frame["split"] == "train") & ~frame["leaked"]]
    assert set(honest["title"]).isdisjoint(frame.loc[frame["split"] != "train", "title"])


def test_the_files_of_inews_have_the_schema_and_are_compressed(inews_corpus: Artifact) -> None:
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


def test_pandas_opens_the_folder_as_one_dataset(inews_corpus: Artifact) -> None:
    frame = pd.read_parquet(inews_corpus.directory)
    assert frame["split"].value_counts().to_dict() == {"train": 5355, "test": 999, "dev": 998}


def test_the_notebook_had_18188_words_44_tokens_and_2348771_parameters(
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


def test_inews_is_ingested_where_it_is_missing(catalog: Catalog, inews_corpus: Artifact) -> None:
    artifact = ensure(catalog, "inews")
    assert not artifact.reused
    assert artifact.manifest.key == inews_corpus.manifest.key
    assert artifact.manifest.files == inews_corpus.manifest.files
    assert ensure(catalog, "inews").reused


# --- corpora from files --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_corpus_from_a_file(catalog: Catalog, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {
            "title": ["股市大涨", "某地地震", "天气", "股市大涨"],
            "content": ["正文", "", "x,y", "z"],
            "label": [0, 2, 1, 2],
            "split": ["train", "train", "dev", "test"],
        }
    )
    artifact = ingest(catalog, "mine", str(write_source(tmp_path, suffix, frame)))
    found = read_corpus(artifact, ALL)
    assert found["title"].tolist() == frame["title"].tolist()
    assert found["label"].tolist() == [0, 2, 1, 2]
    assert found["content"].fillna("").tolist() == frame["content"].tolist()
    assert found["split"].tolist() == frame["split"].tolist()
    assert found["leaked"].tolist() == [True, False, False, True]
    assert found["label_conflict"].tolist() == [True, False, False, True]
    assert not found["duplicate"].any()
    assert not catalog.rejected("corpus:mine").exists()
    assert set(found["source"]) == {f"source{suffix}"}


def test_a_corpus_from_a_folder_numbers_the_rows_through(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "more").mkdir(parents=True)
    (folder / "b.csv").write_text("title,label\n二,1\n,1\n三,1\n", encoding="utf-8")
    (folder / "a.jsonl").write_text('{"title": "一"}\n', encoding="utf-8")
    (folder / "more" / "c.tsv").write_text("title\tlabel\n四\t2\n", encoding="utf-8")
    (folder / "notes.txt").write_text("not headlines", encoding="utf-8")
    artifact = ingest(catalog, "mine", str(folder))
    found = read_corpus(artifact, ["row", "title", "source", "label"])
    assert found["title"].tolist() == ["一", "二", "三", "四"]
    assert found["row"].tolist() == [0, 1, 3, 4]
    assert found["source"].tolist() == ["a.jsonl", "b.csv", "b.csv", "c.tsv"]
    assert [row["row"] for row in rejected_rows(catalog, "mine")] == [2]


def test_rows_that_cannot_be_used_say_why_and_keep_their_bytes(
    catalog: Catalog, tmp_path: Path
) -> None:
    good = [f"好标题{n},0,train".encode() for n in range(12)]
    bad = {
        '"辛,1,train'.encode(): "malformed row (a quote that is not closed)",
        b",1,train": "title is blank",
        " 　,1,train".encode(): "title is blank",
        b"\xff\xfe,1,train": "title has undecodable bytes",
        b"a\x00b,1,train": "title has a NUL character",
        "长".encode() * 501 + b",1,train": "title is longer than 500 characters",
        "甲,3,train".encode(): "label is not 0 to 2",
        "乙,-1,train".encode(): "label is not 0 to 2",
        "丙,1.5,train".encode(): "label is not 0 to 2",
        "丁,good,train".encode(): "label is not 0 to 2",
        "戊,１,train".encode(): "label is not 0 to 2",
        "己,1,valid".encode(): "split is not one of train, dev, test",
        "庚,1".encode(): "2 columns where the header has 3",
    }
    path = tmp_path / "a.csv"
    path.write_bytes(b"\n".join([b"title,label,split", *good, *bad]) + b"\n")
    artifact = ingest(catalog, "mine", str(path))
    rows = rejected_rows(catalog, "mine")
    assert {row["raw"]: row["reason"] for row in rows} == bad
    assert [row["row"] for row in rows] == list(range(12, 25))
    assert artifact.counts["reasons"] == dict(Counter(bad.values()).most_common())
    assert artifact.counts["rows_in"] == 25
    assert len(read_corpus(artifact, ["row"])) == 12


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"title": 5}, "title is not text"),
        ({"title": ["x"]}, "title is not text"),
        ({"title": None}, "title is missing"),
        ({"content": "x"}, "title is missing"),
        ({"title": "x", "content": {"a": 1}}, "content is not text"),
        ({"title": "x", "content": "\ud800"}, "content has undecodable bytes"),
        ({"title": "x", "label": True}, "label is not 0 to 2"),
        ({"title": "x", "label": [1]}, "label is not 0 to 2"),
        ({"title": "x", "split": 1}, "split is not one of train, dev, test"),
        ({"title": "x", "split": {}}, "split is not one of train, dev, test"),
    ],
)
def test_values_of_another_type_are_rejected(
    catalog: Catalog, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "好"}\n' + json.dumps(fields) + "\n", encoding="utf-8")
    ingest(catalog, "mine", str(path))
    [row] = rejected_rows(catalog, "mine")
    assert (row["row"], row["reason"]) == (1, reason)
    assert row["raw"] == json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("value", "label"),
    [(1, 1), (1.0, 1), ("1", 1), (" 2 ", 2), ("2.0", 2), ("", None), (None, None)],
)
def test_labels_are_whole_numbers_however_they_are_written(
    catalog: Catalog, tmp_path: Path, value: object, label: int | None
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"title": "好", "label": value}) + "\n", encoding="utf-8")
    [found] = read_corpus(ingest(catalog, "mine", str(path)), ["label"])["label"]
    assert found == label or (label is None and pd.isna(found))


def test_rows_without_a_split_are_spread_by_their_text(catalog: Catalog, tmp_path: Path) -> None:
    titles = [f"第{n}条新闻" for n in range(2_000)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["title", *titles, *titles[:50]]), encoding="utf-8")
    found = read_corpus(ingest(catalog, "mine", str(path)), ["title", "split", "leaked"])
    assert not found["leaked"].any()
    assert found.groupby("title")["split"].nunique().max() == 1
    shares = found["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.03)
    assert shares["dev"] == pytest.approx(0.1, abs=0.03)


def test_another_encoding_is_read_when_declared(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n股市大涨,0\n", encoding="gb18030")
    with pytest.raises(InputError, match="--encoding gb18030"):
        ingest(catalog, "mine", str(path))
    assert not catalog.corpus("mine").exists()
    artifact = ingest(catalog, "mine", str(path), "gb18030")
    assert read_corpus(artifact, ["title"])["title"].tolist() == ["股市大涨"]


TITLE = st.sampled_from(["股市", "股 市", "ＡＢ", "AB", "天气", "地震", "x" * 501, "", " ", "\x00"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"title": TITLE | st.none() | st.integers(0, 1)},
        optional={
            "label": st.sampled_from([0, 1, 2, "1", "2.0", 3, "x", None, ""]),
            "split": st.sampled_from(["train", "dev", "test", "Train", None, ""]),
            "content": st.sampled_from(["正文", "", None, 5, "\ud800"]),
        },
    ),
    min_size=1,
    max_size=12,
)


@given(rows=ROWS)
@settings(max_examples=50)
def test_rows_in_are_rows_kept_and_rejected_and_the_flags_are_right(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    path, catalog = folder / "a.jsonl", Catalog(folder / "data")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    try:
        artifact = ingest(catalog, "mine", str(path))
    except InputError as error:
        usable = error.problem.startswith(f"none of its {len(rows)} rows can be used")
        assert usable or "'title'" in error.problem  # noqa: PT017
        assert left_in(catalog) == []
        return
    kept = read_corpus(artifact, ALL).to_dict("records")
    rejects = rejected_rows(catalog, "mine") if artifact.counts["rejected"] else []
    assert sorted([row["row"] for row in kept] + [row["row"] for row in rejects]) == list(
        range(len(rows))
    )
    assert artifact.counts["rows_in"] == len(rows)
    assert artifact.counts["rows"] == artifact.rows == len(kept)
    for row in rejects:
        assert json.loads(row["raw"]) == rows[row["row"]]
    sides = {"train": ("dev", "test"), "dev": ("train",), "test": ("train",)}
    for row in kept:
        same = [other for other in kept if other["record_id"] == row["record_id"]]
        before = [o for o in same if o["row"] < row["row"] and o["split"] == row["split"]]
        labels = {o["label"] for o in same if not pd.isna(o["label"])}
        assert row["title"] == rows[row["row"]]["title"]
        assert row["duplicate"] == bool(before)
        assert row["label_conflict"] == (len(labels) > 1)
        assert row["leaked"] == any(o["split"] in sides[row["split"]] for o in same)
    for split, figures in artifact.counts["splits"].items():
        part = [row for row in kept if row["split"] == split]
        assert figures["duplicates"] == sum(row["duplicate"] for row in part)
        assert figures["leaked"] == sum(row["leaked"] for row in part)
        assert figures["label_conflicts"] == sum(row["label_conflict"] for row in part)
        assert figures["rows"] == len(part)


# --- again, changed, damaged ---------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n好,0\n晴,1\n坏,7\n", encoding="utf-8")
    return path


def test_an_unchanged_source_is_not_read_again(catalog: Catalog, source: Path) -> None:
    first = ingest(catalog, "mine", str(source))
    before = {path: path.stat().st_mtime_ns for path in catalog.root.rglob("*") if path.is_file()}
    second = ingest(catalog, "mine", str(source))
    assert (first.reused, second.reused) == (False, True)
    after = {path: path.stat().st_mtime_ns for path in catalog.root.rglob("*") if path.is_file()}
    assert after == before


def test_a_changed_source_makes_the_corpus_anew(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    source.write_text("title,label\n好,0\n雨,1\n", encoding="utf-8")
    second = ingest(catalog, "mine", str(source))
    assert not second.reused
    assert read_corpus(second, ["title"])["title"].tolist() == ["好", "雨"]
    assert not catalog.rejected("corpus:mine").exists()  # the rejects of before are gone too


def test_a_renamed_file_makes_the_corpus_anew(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    second = ingest(catalog, "mine", str(source.rename(source.with_name("b.csv"))))
    assert set(read_corpus(second, ["source"])["source"]) == {"b.csv"}


def test_another_encoding_makes_the_corpus_anew(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"title\nplain\n")
    ingest(catalog, "mine", str(path))
    assert not ingest(catalog, "mine", str(path), "gb18030").reused


def test_lost_rejects_are_made_again(catalog: Catalog, source: Path) -> None:
    ingest(catalog, "mine", str(source))
    target = catalog.rejected("corpus:mine")
    (target / "part-00000.parquet").unlink()
    ingest(catalog, "mine", str(source))
    assert [row["raw"] for row in rejected_rows(catalog, "mine")] == ["坏,7".encode()]


def test_a_damaged_corpus_is_set_aside_with_a_warning_and_made_anew(
    catalog: Catalog, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.write_text("title\n好\n", encoding="gb18030")
    first = ingest(catalog, "mine", str(source), "gb18030")
    path = first.files(".parquet")[0]
    path.write_bytes(b"PAR1" + path.read_bytes()[4:-1] + b"2")
    with caplog.at_level(logging.WARNING):
        second = ensure(catalog, "mine")
    assert "is damaged" in caplog.text
    assert read_corpus(second, ["title"])["title"].tolist() == ["好"]
    assert second.manifest.files == first.manifest.files
    assert list((catalog.work / "damaged" / "corpus").iterdir())


def test_a_damaged_corpus_whose_source_is_gone_says_so(catalog: Catalog, source: Path) -> None:
    first = ingest(catalog, "mine", str(source))
    first.files(".parquet")[0].unlink()
    source.unlink()
    with pytest.raises(InputError) as caught:
        ensure(catalog, "mine")
    assert caught.value.location == str(source)


def test_a_corpus_that_was_never_ingested_is_asked_for(catalog: Catalog) -> None:
    for ask in (ensure, check_exists):
        with pytest.raises(InputError, match=r"headlines ingest SOURCE --name other"):
            ask(catalog, "other")
    check_exists(catalog, "inews")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "no such file or folder"),
        (b"", "the file is empty"),
        (b"title,label\n", "the file has no rows"),
        (b"headline\nx\n", "there is no column 'title'"),
        (b"title,label\nx,9\n ,1\n,1\n", "none of its 3 rows can be used"),
    ],
)
def test_a_source_without_headlines_is_refused_and_leaves_nothing(
    catalog: Catalog, tmp_path: Path, content: bytes | None, what: str
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ingest(catalog, "mine", str(path))
    assert caught.value.problem.startswith(what)
    assert caught.value.location == str(path)
    assert left_in(catalog) == []


def test_a_folder_without_headlines_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("x")
    with pytest.raises(InputError, match="the folder has no file that ends in"):
        ingest(catalog, "mine", str(tmp_path / "folder"))


def test_one_bad_file_in_a_folder_stops_the_corpus_that_was_there_from_no_harm(
    catalog: Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv").write_text("title\n好\n", encoding="utf-8")
    first = ingest(catalog, "mine", str(folder))
    (folder / "b.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.csv"):
        ingest(catalog, "mine", str(folder))
    assert open_artifact(catalog.corpus("mine")) == first.__class__(
        first.directory, first.manifest, reused=True
    )


def test_a_bad_corpus_name_is_refused(catalog: Catalog, source: Path) -> None:
    with pytest.raises(InputError, match="cannot be a corpus name"):
        ingest(catalog, "../mine", str(source))
    assert not catalog.root.exists()


def test_several_parts_read_back_as_one(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path
) -> None:
    monkeypatch.setattr("headlines.corpus.ingest._PART_ROWS", 3)
    path = tmp_path / "a.csv"
    lines = [f"标题{n},{('train', 'dev')[n % 2]}" for n in range(20)]
    path.write_text("\n".join(["title,split", *lines]), encoding="utf-8")
    artifact = ingest(catalog, "mine", str(path))
    assert [file.name for file in artifact.files() if file.parent.name == "split=dev"] == [
        f"part-{number:05d}.parquet" for number in range(4)
    ]
    assert read_corpus(artifact, ["title"])["title"].tolist() == [f"标题{n}" for n in range(20)]


def test_a_parquet_source_with_dictionary_text_and_real_numbers(
    catalog: Catalog, tmp_path: Path
) -> None:
    table = pa.table(
        {
            "title": pa.array(["好", "晴", "好"]).dictionary_encode(),
            "split": pa.array(["train", "dev", None]).dictionary_encode(),
            "label": pa.array([1.0, None, 2.0]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = read_corpus(ingest(catalog, "mine", str(tmp_path / "a.parquet")), ["label", "split"])
    assert found["label"].isna().tolist() == [False, True, False]
    assert found["label"].dropna().tolist() == [1, 2]
    assert found["split"].tolist()[:2] == ["train", "dev"]


def test_a_folder_partitioned_by_split_keeps_its_splits(catalog: Catalog, tmp_path: Path) -> None:
    """What one data root holds as a corpus, another can ingest; what is hidden is no data."""
    for name in ("split=dev/a.csv", "split=train/a.csv", "_tmp/a.csv", ".cache/a.csv"):
        file = tmp_path / "news" / name
        file.parent.mkdir(parents=True)
        file.write_text(f"title,label\n{name},1\n", encoding="utf-8")

    counts = ingest(catalog, "news", str(tmp_path / "news")).counts

    assert {split: numbers["rows"] for split, numbers in counts["splits"].items()} == {
        "train": 1,
        "dev": 1,
        "test": 0,
    }
    again = ingest(catalog, "copy", str(catalog.corpus("news")))
    assert again.counts["splits"] == counts["splits"]
