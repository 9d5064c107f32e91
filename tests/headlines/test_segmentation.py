import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jieba
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headlines
from headlines.artifact import Artifact
from headlines.corpus import read_corpus
from headlines.segmentation import fingerprint, segment

TITLES = [
    "新华社北京11月20日电",
    "股市大涨3.5%，AI概念股领跑",
    "《流浪地球》票房破40亿 观众：好看！",
]
CUT = f"import json, headlines; print(json.dumps(headlines.segment({TITLES!r})))"


def cut_in_a_new_process(**environment: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CUT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    tokens: list[list[str]] = json.loads(done.stdout)
    return tokens


@given(st.text(max_size=40) | st.text(st.sampled_from("中国人民银行A1.% 　\n，《》"), max_size=40))
def test_the_words_joined_are_the_text(text: str) -> None:
    [words] = segment([text])
    assert "".join(words) == text
    assert "" not in words


def test_every_headline_of_the_corpus_is_cut_as_jieba_cuts_it(inews_corpus: Artifact) -> None:
    titles = read_corpus(inews_corpus, ["title"])["title"].tolist()[::10]
    assert segment(titles) == [jieba.lcut(title) for title in titles]


def test_the_words_of_a_headline() -> None:
    assert segment(["小明硕士毕业于中国科学院计算所", ""]) == [
        ["小明", "硕士", "毕业", "于", "中国科学院", "计算所"],
        [],
    ]
    assert segment([]) == []


def test_segmenting_leaves_jieba_itself_alone() -> None:
    before = jieba.lcut("云计算机大涨")
    segment(["云计算机大涨"])
    jieba.add_word("云计算机大涨")
    try:
        assert segment(["云计算机大涨"]) == [before]  # another program's words are not ours
    finally:
        jieba.del_word("云计算机大涨")


def test_threads_that_start_at_once_get_the_same_words() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(segment, [TITLES] * 32)) == [segment(TITLES)] * 32


def test_the_fingerprint_names_all_that_decides_the_words() -> None:
    assert fingerprint() == {
        "engine": "jieba",
        "version": "0.42.1",
        "mode": "precise",
        "hmm": True,
        "dictionary": "7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8",
    }


def test_the_compiled_dictionary_is_private(tmp_path: Path) -> None:
    cache, shared = tmp_path / "cache", tmp_path / "shared"
    shared.mkdir()
    assert cut_in_a_new_process(XDG_CACHE_HOME=str(cache), TMPDIR=str(shared)) == segment(TITLES)
    assert (cache / "headlines").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (cache / "headlines").iterdir()] == ["jieba.cache"]
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"junk", b"\xe9\x05\x00\x00\x00"])
def test_a_damaged_compiled_dictionary_changes_no_word(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "headlines"
    place.mkdir()
    (place / "jieba.cache").write_bytes(content)
    assert cut_in_a_new_process(XDG_CACHE_HOME=str(tmp_path)) == segment(TITLES)


def test_a_cache_directory_that_cannot_be_made_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "shared").mkdir()
    words = cut_in_a_new_process(
        XDG_CACHE_HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path / "shared")
    )
    assert words == segment(TITLES)
    assert list((tmp_path / "shared").iterdir()) == []  # nothing is left behind


def loaded_after(statements: str) -> set[str]:
    heavy = ("prefect", "tensorflow", "keras", "jieba", "pandas", "pyarrow", "numpy", "sklearn")
    code = f"{statements}\nimport sys\nprint(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statements", "may_load"),
    [
        ("import headlines", set()),
        ("import headlines.sources, headlines.settings, headlines.catalog", set()),
        ("from headlines import segment; segment", set()),
        ("from headlines import segment; segment(['股市大涨'])", {"jieba"}),
        ("from headlines import predict; predict", {"numpy"}),
    ],
)
def test_importing_the_package_loads_what_is_needed_alone(
    statements: str, may_load: set[str]
) -> None:
    assert loaded_after(statements) <= may_load


def test_every_module_of_the_room_is_free_of_prefect_and_tensorflow() -> None:
    folder = Path(str(headlines.__file__)).parent
    names = sorted(f"headlines.{path.stem}" for path in folder.glob("[!_]*.py"))
    assert len(names) > 20
    loaded = loaded_after(f"import importlib; [importlib.import_module(n) for n in {names}]")
    assert loaded.isdisjoint({"prefect", "tensorflow", "keras", "sklearn"})


def test_the_package_has_no_other_names() -> None:
    missing: Any = "segments"
    with pytest.raises(AttributeError, match="no attribute 'segments'"):
        getattr(headlines, missing)
