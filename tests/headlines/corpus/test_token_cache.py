"""The token cache: texts that were cut before are reused, others are cut."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.corpus.ingest import ingest
from headlines.corpus.token_cache import (
    ChunkSizes,
    cache_stats,
    is_chunk_boundary,
    prune,
    read_token_lists,
    tokens_for,
)
from headlines.corpus.tokens import read_tokens, segment_corpus
from headlines.errors import InputError
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST, dump_signed, load_signed

from .checks import cache_folder, path_of

TITLES = [f"第{n}届科技大会在某地召开" for n in range(200)]
SMALL = ChunkSizes(min_rows=1, one_in=20)
Rows = list[str]


@pytest.fixture
def root(root: DataRoot) -> DataRoot:
    """A data root with two threads to work on it."""
    return replace(root, settings=Settings(workers=2))


@pytest.fixture
def corpus_of(root: DataRoot, tmp_path: Path) -> Callable[..., Artifact]:
    """Makes a corpus of titles, all of one split."""

    def make(titles: Rows, name: str = "small", label: int = 0) -> Artifact:
        source = tmp_path / f"{name}.csv"
        lines = [f"{title},{label},train" for title in titles]
        source.write_text("\n".join(["title,label,split", *lines]), encoding="utf-8")
        return ingest(root, name, str(source))

    return make


def chunks(titles: Rows, sizes: ChunkSizes = SMALL) -> list[tuple[str, ...]]:
    """The chunks of the titles of one part."""
    finished: list[tuple[str, ...]] = []
    chunk: Rows = []
    for title in titles:
        chunk.append(title)
        if is_chunk_boundary(title, len(chunk), sizes):
            finished.append(tuple(chunk))
            chunk = []
    return [*finished, tuple(chunk)] if chunk else finished


def rows_of(tokens: Artifact) -> tuple[int, int]:
    """How many rows were segmented and how many reused."""
    counts = tokens.counts
    assert counts["segmented"] + counts["reused"] == tokens.rows
    return counts["segmented"], counts["reused"]


def words(tokens: Artifact) -> list[list[str]]:
    return [list(row) for row in read_tokens(tokens, "train")["tokens"]]


def forget_tokens(root: DataRoot) -> None:
    """Remove the tokens of all corpora, but not the cache."""
    for directory in path_of(root, "tokens").iterdir():
        if directory != cache_folder(root):
            shutil.rmtree(directory)


# Chunks


def test_chunks_have_about_two_thousand_rows() -> None:
    titles = [f"第{n}届科技大会" for n in range(200_000)]
    sizes = [len(chunk) for chunk in chunks(titles, ChunkSizes())]
    assert 1_600 < sum(sizes) / len(sizes) < 2_400
    assert 500 <= min(sizes[:-1]) < max(sizes) <= 8_000


def test_frequent_headline_makes_no_small_chunks() -> None:
    ending = next(
        text for n in range(100_000) if is_chunk_boundary(text := f"第{n}届科技大会", 500)
    )
    assert [len(chunk) for chunk in chunks([ending] * 1_000, ChunkSizes())] == [500, 500]


def test_inserted_row_renews_few_chunks() -> None:
    titles = [f"第{n}届科技大会" for n in range(40_000)]
    before = set(chunks(titles, ChunkSizes()))
    renewed = [
        len(set(chunks([*titles[:index], "插入的标题", *titles[index:]], ChunkSizes())) - before)
        for index in range(7, len(titles), 1_001)
    ]
    assert sum(renewed) / len(renewed) < 2
    assert max(renewed) <= 4


def test_titles_of_these_tests_make_several_chunks() -> None:
    assert 5 < len(chunks(TITLES)) < 20


TEXTS = st.lists(st.text(st.characters(), max_size=3), max_size=40)


@pytest.mark.parametrize("max_rows", [8_000, 6])
@settings(max_examples=200)
@given(one=TEXTS, other=TEXTS, shared=TEXTS)
def test_chunks_do_not_depend_on_texts_before_them(
    max_rows: int, one: Rows, other: Rows, shared: Rows
) -> None:
    sizes = ChunkSizes(min_rows=1, max_rows=max_rows, one_in=4)
    after_one, after_other = chunks(one + shared, sizes), chunks(other + shared, sizes)
    assert max(map(len, after_one), default=0) <= max_rows
    boundaries = (n for n, text in enumerate(shared, 1) if is_chunk_boundary(text, 1, sizes))
    first = next(boundaries, None)
    if first is not None:  # the first boundary within the shared texts
        rest = chunks(shared[first:], sizes)
        assert after_one[len(after_one) - len(rest) :] == rest
        assert after_other[len(after_other) - len(rest) :] == rest


@settings(max_examples=200)
@given(texts=TEXTS, data=st.data())
def test_changed_row_renews_at_most_two_chunks(texts: Rows, data: st.DataObject) -> None:
    """Two if it is a new boundary, so that one chunk becomes two."""
    sizes = ChunkSizes(min_rows=1, one_in=4)
    index = data.draw(st.integers(0, len(texts)))
    removed = data.draw(st.integers(0, 1))
    inserted = data.draw(st.lists(st.text(max_size=3), max_size=1))
    before = chunks(texts, sizes)
    after = chunks(texts[:index] + inserted + texts[index + removed :], sizes)
    assert len([chunk for chunk in after if chunk not in before]) <= 2


# Reused and cut


def test_another_run_reuses_all(root: DataRoot, corpus_of: Callable[..., Artifact]) -> None:
    corpus = corpus_of(TITLES)
    first = segment_corpus(root, corpus, SMALL)
    assert rows_of(first) == (200, 0)
    assert words(first) == Segmenter().cut(TITLES)
    forget_tokens(root)
    again = segment_corpus(root, corpus, SMALL)
    assert not again.reused
    assert rows_of(again) == (0, 200)
    assert again.manifest.files == first.manifest.files


ENDS_A_CHUNK, IN_A_CHUNK = 157, 120  # rows of `TITLES`
CHANGES: dict[str, tuple[int, Callable[[Rows], Rows]]] = {
    "none": (0, lambda rows: rows),
    "changed": (1, lambda rows: [*rows[:IN_A_CHUNK], "某地大雨", *rows[IN_A_CHUNK + 1 :]]),
    "added": (1, lambda rows: [*rows[:IN_A_CHUNK], "某地大雨", *rows[IN_A_CHUNK:]]),
    "removed": (1, lambda rows: [*rows[:IN_A_CHUNK], *rows[IN_A_CHUNK + 1 :]]),
    "exchanged": (
        1,
        lambda rows: [
            *rows[:IN_A_CHUNK], rows[IN_A_CHUNK + 1], rows[IN_A_CHUNK], *rows[IN_A_CHUNK + 2 :]
        ],
    ),
    "added in front": (1, lambda rows: ["某地大雨", *rows]),
    "first removed": (1, lambda rows: rows[1:]),
    "added behind": (1, lambda rows: [*rows, "某地大雨"]),
    "end of a chunk removed": (1, lambda rows: [*rows[:ENDS_A_CHUNK], *rows[ENDS_A_CHUNK + 1 :]]),
    "end of a chunk added": (
        2,
        lambda rows: [*rows[:IN_A_CHUNK], rows[ENDS_A_CHUNK], *rows[IN_A_CHUNK:]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_changed_row_renews_only_its_chunk(
    root: DataRoot, corpus_of: Callable[..., Artifact], change: str
) -> None:
    assert is_chunk_boundary(TITLES[ENDS_A_CHUNK], 1, SMALL)
    assert not any(is_chunk_boundary(title, 1, SMALL) for title in TITLES[108:ENDS_A_CHUNK])
    segment_corpus(root, corpus_of(TITLES), SMALL)
    count, changed = CHANGES[change]
    titles = changed(TITLES)
    renewed = [chunk for chunk in chunks(titles) if chunk not in chunks(TITLES)]
    assert len(renewed) == count

    tokens = segment_corpus(root, corpus_of(titles, "changed"), SMALL)

    assert rows_of(tokens)[0] == sum(map(len, renewed)) < 80
    assert words(tokens) == Segmenter().cut(titles)


def test_corpora_with_the_same_titles_share_their_words(
    root: DataRoot, corpus_of: Callable[..., Artifact]
) -> None:
    one, other = corpus_of(TITLES, "one"), corpus_of(TITLES, "other", label=2)
    assert rows_of(segment_corpus(root, one, SMALL)) == (200, 0)
    shared = segment_corpus(root, other, SMALL)
    assert not shared.reused
    assert rows_of(shared) == (0, 200)
    assert len(cache_stats(root)) == 1


def test_another_dictionary_renews_all(
    root: DataRoot,
    corpus_of: Callable[..., Artifact],
    tmp_path: Path,
) -> None:
    corpus = corpus_of(TITLES)
    plain = segment_corpus(root, corpus, SMALL)
    dictionary = tmp_path / "words.txt"
    with_dictionary = replace(root, settings=Settings(dictionary=str(dictionary)))
    for number, word in enumerate(("科技大会", "技大会在"), 1):
        dictionary.write_text(f"{word} 900000\n", encoding="utf-8")
        tokens = segment_corpus(with_dictionary, corpus, SMALL)
        assert rows_of(tokens) == (200, 0)
        assert words(tokens) == Segmenter(dictionary=dictionary).cut(TITLES) != words(plain)
        assert len(cache_stats(root)) == 1 + number
    forget_tokens(root)
    assert rows_of(segment_corpus(root, corpus, SMALL)) == (0, 200)


def test_chunk_is_identified_by_its_texts_in_order(
    root: DataRoot,
) -> None:
    lists = [["甲乙", "丙"], ["甲", "乙丙"], ["甲乙丙"], ["丙", "甲乙"], ["甲乙", "丙", ""], []]
    tokens = [tokens_for(root, Segmenter(), texts) for texts in lists]
    assert not any(artifact.reused for artifact in tokens)
    for texts, artifact in zip(lists, tokens, strict=True):
        assert read_token_lists(artifact).to_pylist() == Segmenter().cut(texts)
        assert tokens_for(root, Segmenter(), texts).reused


# Damage


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [cut_short, flip, Path.unlink])
@pytest.mark.parametrize("name", [MANIFEST, "words.parquet"])
def test_damaged_chunk_is_quarantined_and_rebuilt(
    root: DataRoot,
    corpus_of: Callable[..., Artifact],
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
    name: str,
) -> None:
    corpus = corpus_of(TITLES)
    first = segment_corpus(root, corpus, SMALL)
    forget_tokens(root)
    chunk = sorted(cache_folder(root).glob("*/*"))[3]
    original = root.store.open(root.store.name_of(chunk))
    assert original is not None
    harm(chunk / name)

    again = segment_corpus(root, corpus, SMALL)

    assert rows_of(again) == (original.rows, 200 - original.rows)
    assert again.manifest.files == first.manifest.files
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"{chunk} is corrupt" in warning.getMessage()
    assert len([*(root.store.work / "damaged" / "tokens" / "by-content").glob("*/*~1")]) == 1
    rebuilt = root.store.open(root.store.name_of(chunk))
    assert rebuilt is not None
    assert rebuilt.manifest.files == original.manifest.files


# Several processes, and killed ones

RUN = """
import json, os, signal, sys
from headlines.corpus.token_cache import ChunkSizes
from headlines.corpus.tokens import read_tokens, segment_corpus
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

renames, die_at = 0, int(sys.argv[1])

def die(event, arguments):
    global renames
    if event == "os.rename" and "by-content" in str(arguments[1]):
        renames += 1
        if renames == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
root = DataRoot.from_settings(Settings.from_environment())
corpus = root.store.open(root.corpus("small"))
print("ready", flush=True)
sys.stdin.readline()
tokens = segment_corpus(root, corpus, ChunkSizes(min_rows=1, one_in=20))
print(json.dumps([tokens.counts, [entry.sha256 for entry in tokens.manifest.files]]))
"""


def started(root: DataRoot, die_at: int = 0, **environment: str) -> "subprocess.Popen[str]":
    """A process that segments the corpus when it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(die_at)],
        env={
            **os.environ,
            "HEADLINES_DATA": root.url,
            "HEADLINES_RUNNER": "threads",
            "HEADLINES_WORKERS": "2",
            **environment,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_concurrent_runs_agree(root: DataRoot, corpus_of: Callable[..., Artifact]) -> None:
    corpus = corpus_of(TITLES)
    processes = [started(root) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
    results = [json.loads(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(counts["segmented"] + counts["reused"] == 200 for counts, _ in results)
    mine = segment_corpus(root, corpus, SMALL)
    assert mine.reused
    assert [files for _, files in results] == [[e.sha256 for e in mine.manifest.files]] * 3
    assert words(mine) == Segmenter().cut(TITLES)
    [cached] = cache_stats(root)
    assert (cached.chunks, cached.rows) == (len(chunks(TITLES)), 200)
    assert not (root.store.work / "damaged").exists()
    assert not [*root.store.work.glob("draft-*")]


@pytest.mark.parametrize("finished", [0, 1, 5])
def test_chunks_of_a_killed_run_are_reused(
    root: DataRoot, corpus_of: Callable[..., Artifact], finished: int
) -> None:
    corpus = corpus_of(TITLES)
    process = started(root, finished + 1, HEADLINES_WORKERS="1")
    assert process.communicate("\n") == ("", None)
    assert process.returncode == -signal.SIGKILL
    assert sum(stats.chunks for stats in cache_stats(root)) == finished

    tokens = segment_corpus(root, corpus, SMALL)

    reused = sum(map(len, chunks(TITLES)[:finished]))
    assert rows_of(tokens) == (200 - reused, reused)
    assert words(tokens) == Segmenter().cut(TITLES)
    assert root.store.collect_garbage() >= 1


def test_pruning_while_texts_are_cut(root: DataRoot) -> None:
    name = cached_name(root, Segmenter())
    with ThreadPoolExecutor(1) as pool:
        cutting = pool.submit(
            lambda: [tokens_for(root, Segmenter(), [f"某地大雨{n}"]) for n in range(60)]
        )
        pruned = 0
        while not cutting.done():
            with contextlib.suppress(InputError):  # nothing is cached at this moment
                prune(root, name)
                pruned += 1
        assert len(cutting.result()) == 60
    assert pruned > 1
    for chunk in cache_folder(root).glob("*/*"):
        assert root.store.open(root.store.name_of(chunk)) is not None
    assert not [*root.store.work.glob("draft-*")]


# Statistics and pruning


def cached_name(root: DataRoot, segmenter: Segmenter) -> str:
    """Cuts a text and returns the name of the segmenter's cache."""
    tokens_for(root, segmenter, ["某地大雨"])
    [name] = [
        stats.name for stats in cache_stats(root) if stats.segmenter == segmenter.fingerprint()
    ]
    return name


def test_cache_stats(root: DataRoot, corpus_of: Callable[..., Artifact]) -> None:
    assert cache_stats(root) == []
    before = datetime.now(UTC).replace(microsecond=0)
    segment_corpus(root, corpus_of(TITLES), SMALL)
    [stats] = cache_stats(root)
    assert stats.segmenter == Segmenter().fingerprint()
    assert (stats.chunks, stats.rows, stats.days) == (len(chunks(TITLES)), 200, 0)
    files = cache_folder(root).rglob("*.parquet")
    assert stats.bytes == sum(path.stat().st_size for path in files)
    assert before <= datetime.fromisoformat(stats.newest) <= datetime.now(UTC)
    assert [path.name for path in cache_folder(root).iterdir()] == [stats.name]


def test_cache_stats_list_the_newest_first(root: DataRoot) -> None:
    names = [cached_name(root, Segmenter(engine)) for engine in ("fast", "jieba")]
    for old, new in (names, names[::-1]):
        for name, days in ((old, 10), (new, 3)):
            for path in cache_folder(root).glob(f"{name}/*/{MANIFEST}"):
                data = load_signed(path.read_text(encoding="utf-8"))
                created = datetime.now(UTC) - timedelta(days=days, minutes=1)
                data["created_at"] = created.isoformat(timespec="seconds")
                path.write_text(dump_signed(data), encoding="utf-8")
        assert [(stats.name, stats.days) for stats in cache_stats(root)] == [(new, 3), (old, 10)]


def test_unreadable_chunks_are_not_counted(root: DataRoot) -> None:
    name = cached_name(root, Segmenter())
    harmed = tokens_for(root, Segmenter(), ["某地大雨", "某地大雪"])
    (cache_folder(root) / ".DS_Store").write_bytes(b"")
    (cache_folder(root) / name / ".DS_Store").write_bytes(b"")
    (cache_folder(root) / "empty").mkdir()
    assert [(stats.name, stats.rows) for stats in cache_stats(root)] == [(name, 3)]
    (harmed.directory / MANIFEST).write_text("{}")
    assert [(stats.name, stats.rows) for stats in cache_stats(root)] == [(name, 1)]
    prune(root, name)
    assert cache_stats(root) == []


def test_prune_removes_the_words_of_one_segmenter(
    root: DataRoot, corpus_of: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(TITLES)
    tokens = segment_corpus(root, corpus, SMALL)
    other = cached_name(root, Segmenter("jieba"))
    prune(root, cached_name(root, Segmenter()))
    assert [stats.name for stats in cache_stats(root)] == [other]
    assert [path.name for path in cache_folder(root).iterdir()] == [other]
    assert not [*root.store.work.glob("draft-*")]
    # Tokens are not part of the cache.
    assert segment_corpus(root, corpus, SMALL).manifest == tokens.manifest
    forget_tokens(root)
    assert rows_of(segment_corpus(root, corpus, SMALL)) == (200, 0)


def test_only_listed_names_can_be_pruned(
    root: DataRoot, corpus_of: Callable[..., Artifact]
) -> None:
    with pytest.raises(InputError):
        prune(root, "anything")
    tokens = segment_corpus(root, corpus_of(TITLES), SMALL)
    name = cached_name(root, Segmenter())
    (cache_folder(root) / "file").write_text("none of ours")
    folder = cache_folder(root) / name
    before = sorted(root.store.directory.rglob("*"))
    for trick in (
        *("", ".", "..", "../by-content", f"../by-content/{name}", f"./{name}", f"{name}/", "*"),
        *(f"../{tokens.directory.name}", str(folder), str(tokens.directory), "file"),
        *(name[:-1], name.upper() + "0", next(folder.iterdir()).name, "a\0b"),
    ):
        with pytest.raises(InputError) as refusal:
            prune(root, trick)
        assert repr(trick) in refusal.value.problem
        assert "headlines cache" in refusal.value.hint
    assert sorted(root.store.directory.rglob("*")) == before
