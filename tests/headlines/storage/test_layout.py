import os
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.storage.layout import (
    Layout,
    partition_dir,
    superseded,
    validate_batch_name,
    validate_name,
)

LAYOUT = Layout()


def batch_of(partition: str) -> str:
    """The batch as a reader of the Hive dataset decodes it."""
    return unquote(partition.removeprefix("batch="))


BAD_BATCHES = [
    "",
    ".",
    "..",
    "../a.csv",
    "a/../b.csv",
    "a/..",
    "a..b.csv",
    "/etc/passwd",
    "//a.csv",
    "a//b.csv",
    "a/",
    ".hidden.csv",
    "_hidden.csv",
    "a/.hidden.csv",
    "a\\b.csv",
    "C:a.csv",
    "a\n.csv",
    "a\x00.csv",
    "a\x1b[31m.csv",
    "a\u202e.csv",
    "a*.csv",
    "a?.csv",
    "a%2Fb.csv",
    "$(touch x).csv",
    "a;b.csv",
    "~a.csv",
    "-a.csv",
    "a.csv ",
    "a.csv.",
    "corpus:inews",
    "新闻\u200b.csv",
    "\u3164.csv",
    "\ufe0f.csv",
    "\u0301a.csv",  # would join the character before it
    "新闻\u3000.csv",
    "a\ue000.csv",
    "【头条】/ .csv",
    "a" * 201,
    "长" * 67,  # 201 bytes
]


@pytest.mark.parametrize("batch", BAD_BATCHES)
def test_a_bad_batch_name_is_refused(batch: str) -> None:
    with pytest.raises(InputError) as caught:
        validate_batch_name(batch)
    assert caught.value.location == "batch name"
    assert "--batch" in caught.value.hint


@pytest.mark.parametrize(
    ("batch", "partition"),
    [
        ("2026-11-20.csv", "batch=2026-11-20.csv"),
        ("头条 (1).jsonl", "batch=头条 (1).jsonl"),
        ("2026/11/20.parquet", "batch=2026%2F11%2F20.parquet"),
        ("a=b&c+d,e@f.tsv", "batch=a%3Db%26c%2Bd%2Ce@f.tsv"),
        ("corpus.csv", "batch=corpus.csv"),
        ("新闻（第1批）.csv", "batch=新闻（第1批）.csv"),
        ("【头条】《快讯》“要闻”—今日、昨日：！？…·￥.csv", None),
        ("「頭條」『快訊』〔一〕〈二〉～％＃＆＊／＼｜.tsv", None),
        ("🔥热点❤\ufe0f.jsonl", None),
        ("e\u0301te\u0301.csv", None),  # as macOS writes names
        ("长" * 66, "batch=" + "长" * 66),
    ],
)
def test_the_partition_of_a_batch(batch: str, partition: str | None) -> None:
    assert partition_dir(batch) == (partition or f"batch={batch}")
    assert batch_of(partition_dir(batch)) == batch


@given(st.text(st.sampled_from("aZ9长頭é .()+@,=&-_/%:*~\\\n\x00\u202e"), max_size=12) | st.text())
def test_a_batch_name_is_refused_or_stays_inside_predictions(batch: str) -> None:
    try:
        name = LAYOUT.predictions_of(batch)
    except InputError:
        return
    folder, _, partition = name.rpartition("/")
    assert folder == LAYOUT.predictions
    assert os.path.normpath(name) == name
    assert partition.isprintable()
    assert len(partition.encode()) < 255
    assert batch_of(partition) == batch


@given(
    st.text(st.sampled_from([*"长9b（【《“，。！、：；—…·￥"]), min_size=1, max_size=9),
    st.lists(st.text(st.sampled_from("ab长9.()+@,=&-_ "), max_size=9), min_size=1, max_size=3),
)
def test_any_name_of_allowed_characters_round_trips(start: str, ends: list[str]) -> None:
    batch = "/".join(start + end.rstrip(". ") for end in ends)
    assume(".." not in batch)
    assert batch_of(partition_dir(batch)) == batch


@pytest.mark.parametrize(
    ("batch", "hint"),
    [
        ("a:b.csv", "it may not have ':'"),
        ("a\u202e.csv", r"it may not have '\u202e'"),
        ("【头条】?.csv", "it may not have '?'"),
        ("-a.csv", "no part of it may begin with '-'"),
        ("a/.b.csv", "no part of it may begin with '.'"),
        ("a.csv ", "no part of it may end with ' '"),
        ("a..b.csv", "it may not have '..'"),
        ("a//b.csv", "a part of it is empty"),
    ],
)
def test_what_a_batch_name_may_not_have_is_named(batch: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        validate_batch_name(batch)
    assert caught.value.hint == f"{hint}: rename the file, or give another name with --batch"


def test_different_batches_have_different_partitions() -> None:
    names = ["a/b.csv", "a=b.csv", "a+b.csv", "a b.csv", "a,b.csv", "ab.csv", "a&b.csv", "a-b.csv"]
    assert len({partition_dir(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a..b", ".a", "语料", "a" * 65])
def test_a_bad_corpus_or_model_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a corpus name"):
        validate_name(name, "corpus name")
    for name_of in (LAYOUT.corpus, LAYOUT.model):
        with pytest.raises(InputError):
            name_of(name)
    with pytest.raises(InputError):
        LAYOUT.rejects_of(f"corpus:{name}")
    with pytest.raises(InputError):
        LAYOUT.evaluation(name, "0" * 64)


def test_rejects_of_a_corpus_and_of_a_batch_never_meet() -> None:
    assert LAYOUT.rejects_of("corpus:inews") == "rejects/batch=corpus:inews"
    assert LAYOUT.rejects_of("inews") == "rejects/batch=inews"


def test_a_replaced_artifact_keeps_its_name() -> None:
    name = superseded(LAYOUT.predictions_of("a.csv"))
    assert name == "superseded/predictions/batch=a.csv"
