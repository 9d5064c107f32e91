import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.corpus.dataset import read_corpus
from headlines.corpus.ingest import IngestSizes, ingest
from headlines.errors import InputError
from headlines.readers import ReadOptions
from headlines.storage.data_root import DataRoot

from .checks import ALL_COLUMNS, files_in, path_of, rejected_rows


def write_source(folder: Path, suffix: str, frame: pd.DataFrame) -> Path:
    path = folder / f"source{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_csv(path, sep={".csv": ",", ".tsv": "\t"}[suffix], index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_corpus_from_a_file(root: DataRoot, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {
            "title": ["股市大涨", "某地地震", "天气", "股市大涨"],
            "content": ["正文", "", "x,y", "z"],
            "label": [0, 2, 1, 2],
            "split": ["train", "train", "dev", "test"],
        }
    )
    artifact = ingest(root, "mine", str(write_source(tmp_path, suffix, frame)))
    corpus = read_corpus(artifact, ALL_COLUMNS)
    assert corpus["title"].tolist() == frame["title"].tolist()
    assert corpus["label"].tolist() == [0, 2, 1, 2]
    assert corpus["content"].fillna("").tolist() == frame["content"].tolist()
    assert corpus["split"].tolist() == frame["split"].tolist()
    assert corpus["leaked"].tolist() == [True, False, False, True]
    assert corpus["label_conflict"].tolist() == [True, False, False, True]
    assert not corpus["duplicate"].any()
    assert not path_of(root, root.rejects_of("corpus:mine")).exists()
    assert set(corpus["source"]) == {f"source{suffix}"}


def test_corpus_from_a_folder_numbers_rows_through(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "more").mkdir(parents=True)
    (folder / "b.csv").write_text("title,label\n二,1\n,1\n三,1\n", encoding="utf-8")
    (folder / "a.jsonl").write_text('{"title": "一"}\n', encoding="utf-8")
    (folder / "more" / "c.tsv").write_text("title\tlabel\n四\t2\n", encoding="utf-8")
    (folder / "notes.txt").write_text("not headlines", encoding="utf-8")
    artifact = ingest(root, "mine", str(folder))
    frame = read_corpus(artifact, ["row", "title", "source", "label"])
    assert frame["title"].tolist() == ["一", "二", "三", "四"]
    assert frame["row"].tolist() == [0, 1, 3, 4]
    assert frame["source"].tolist() == ["a.jsonl", "b.csv", "b.csv", "c.tsv"]
    assert [row["row"] for row in rejected_rows(root, "mine")] == [2]


def test_rejects_keep_reason_and_bytes(root: DataRoot, tmp_path: Path) -> None:
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
    artifact = ingest(root, "mine", str(path), max_reject_rate=1)
    rows = rejected_rows(root, "mine")
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
def test_values_of_wrong_type_are_rejected(
    root: DataRoot, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "好"}\n' + json.dumps(fields) + "\n", encoding="utf-8")
    ingest(root, "mine", str(path))
    [row] = rejected_rows(root, "mine")
    assert (row["row"], row["reason"]) == (1, reason)
    assert row["raw"] == json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("value", "label"),
    [(1, 1), (1.0, 1), ("1", 1), (" 2 ", 2), ("2.0", 2), ("", None), (None, None)],
)
def test_labels_are_read_from_any_spelling(
    root: DataRoot, tmp_path: Path, value: object, label: int | None
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"title": "好", "label": value}) + "\n", encoding="utf-8")
    [read_label] = read_corpus(ingest(root, "mine", str(path)), ["label"])["label"]
    assert read_label == label or (label is None and pd.isna(read_label))


def test_rows_without_a_split_are_assigned_by_text(root: DataRoot, tmp_path: Path) -> None:
    titles = [f"第{n}条新闻" for n in range(2_000)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["title", *titles, *titles[:50]]), encoding="utf-8")
    frame = read_corpus(ingest(root, "mine", str(path)), ["title", "split", "leaked"])
    assert not frame["leaked"].any()
    assert frame.groupby("title")["split"].nunique().max() == 1
    shares = frame["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.03)
    assert shares["dev"] == pytest.approx(0.1, abs=0.03)


def test_declared_encoding_is_read(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n股市大涨,0\n", encoding="gb18030")
    with pytest.raises(InputError, match="--encoding gb18030"):
        ingest(root, "mine", str(path))
    assert not path_of(root, root.corpus("mine")).exists()
    artifact = ingest(root, "mine", str(path), ReadOptions("gb18030"))
    assert read_corpus(artifact, ["title"])["title"].tolist() == ["股市大涨"]


def test_corpus_in_tsv_is_read_literally_or_as_declared(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('title\tlabel\n"最强台风"登陆\t0\n"一;二"\t1\n', encoding="utf-8")
    literal = ingest(root, "mine", str(path))
    assert read_corpus(literal, ["title"])["title"].tolist() == ['"最强台风"登陆', '"一;二"']
    assert ingest(root, "mine", str(path), ReadOptions()).reused
    quoted = ingest(root, "mine", str(path), ReadOptions(quoting="csv"))
    assert read_corpus(quoted, ["title"])["title"].tolist() == ["一;二"]
    assert quoted.counts["rejected"] == 1


def test_warnings_of_a_corpus_are_counted(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    for name in ("part-2", "part-10"):
        lines = ['{"title": "好"}', '{"title": "坏", "n": 1, "n": 2}']
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = ingest(root, "mine", str(folder))
    assert corpus.counts["warnings"] == {'duplicate key "n"': {"rows": 2, "first": 1}}
    assert corpus.manifest.config["files"] == ["part-2.jsonl", "part-10.jsonl"]


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
def test_any_rows_are_kept_or_rejected_with_right_flags(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    path, root = folder / "a.jsonl", DataRoot.open(folder / "data")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    try:
        artifact = ingest(root, "mine", str(path), max_reject_rate=1)
    except InputError as error:
        usable = error.problem.startswith(f"none of its {len(rows)} rows can be used")
        assert usable or "'title'" in error.problem  # noqa: PT017
        assert files_in(root) == []
        return
    kept = read_corpus(artifact, ALL_COLUMNS).to_dict("records")
    rejects = rejected_rows(root, "mine") if artifact.counts["rejected"] else []
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


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file or folder"),
        (b"", "the file is empty"),
        (b"title,label\n", "the file has no rows"),
        (b"headline\nx\n", "there is no column 'title'"),
        (b"title,label\nx,9\n ,1\n,1\n", "none of its 3 rows can be used"),
    ],
)
def test_unusable_source_is_refused_and_leaves_nothing(
    root: DataRoot, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ingest(root, "mine", str(path))
    assert caught.value.problem.startswith(problem)
    assert caught.value.location == str(path)
    assert files_in(root) == []


def test_too_many_rejects_are_refused_as_in_scoring(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("title,label\n" + "股市,0\n" * 20 + "天气,9\n" * 11, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        ingest(root, "mine", str(path))
    reason = "label is not 0 to 2 (11)"
    assert caught.value.problem == (
        f"11 of 31 rows (35.5%) cannot be used, more than 5.0%: {reason}"
    )
    assert files_in(root) == []
    for limit in ({"max_rejects": 11}, {"max_reject_rate": 0.36}):
        assert ingest(root, "mine", str(path), **limit).counts["rejected"] == 11


def test_what_is_left_out_is_named(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "news"
    (folder / "old").mkdir(parents=True)
    (folder / "a.csv").write_text("title,label,url\n股市,0,u\n", encoding="utf-8")
    (folder / "b.jsonl").write_text('{"title":"天气","author":"x"}\n', encoding="utf-8")
    for name in ("old/notes.txt", "a.csv.bak", "_SUCCESS", ".hidden"):
        (folder / name).write_text("x", encoding="utf-8")
    counts = ingest(root, "mine", str(folder)).counts
    assert counts["files_left_out"] == ["a.csv.bak", "old/notes.txt"]
    assert counts["columns_left_out"] == ["author", "url"]


def test_folder_without_headlines_is_refused(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("x")
    with pytest.raises(InputError, match="the folder has no file with a supported suffix"):
        ingest(root, "mine", str(tmp_path / "folder"))


def test_several_parts_read_back_as_one(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [f"标题{n},{('train', 'dev')[n % 2]}" for n in range(20)]
    path.write_text("\n".join(["title,split", *lines]), encoding="utf-8")
    artifact = ingest(root, "mine", str(path), sizes=IngestSizes(part_rows=3))
    assert [file.name for file in artifact.files() if file.parent.name == "split=dev"] == [
        f"part-{number:05d}.parquet" for number in range(4)
    ]
    assert read_corpus(artifact, ["title"])["title"].tolist() == [f"标题{n}" for n in range(20)]


def test_parquet_source_with_dictionaries_and_floats(root: DataRoot, tmp_path: Path) -> None:
    table = pa.table(
        {
            "title": pa.array(["好", "晴", "好"]).dictionary_encode(),
            "split": pa.array(["train", "dev", None]).dictionary_encode(),
            "label": pa.array([1.0, None, 2.0]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    frame = read_corpus(ingest(root, "mine", str(tmp_path / "a.parquet")), ["label", "split"])
    assert frame["label"].isna().tolist() == [False, True, False]
    assert frame["label"].dropna().tolist() == [1, 2]
    assert frame["split"].tolist()[:2] == ["train", "dev"]


def test_compressed_parquet_is_decompressed_in_the_data_root(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"title": ["好", "晴"]}), sink)
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(sink.getvalue()))
    root.store.work.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert ingest(root, "mine", str(tmp_path / "a.parquet.gz")).rows == 2


def test_folder_partitioned_by_split_keeps_its_splits(root: DataRoot, tmp_path: Path) -> None:
    """The corpus of one data root can be ingested into another; hidden files are ignored."""
    for name in ("split=dev/a.csv", "split=train/a.csv", "_tmp/a.csv", ".cache/a.csv"):
        file = tmp_path / "news" / name
        file.parent.mkdir(parents=True)
        file.write_text(f"title,label\n{name},1\n", encoding="utf-8")

    counts = ingest(root, "news", str(tmp_path / "news")).counts

    assert {split: numbers["rows"] for split, numbers in counts["splits"].items()} == {
        "train": 1,
        "dev": 1,
        "test": 0,
    }
    again = ingest(root, "copy", str(path_of(root, root.corpus("news"))))
    assert again.counts["splits"] == counts["splits"]
