"""Texts cut into words: this project beside jieba, alone and parallel, and `rjieba` as it is.

    python -m benchmarks.segment [--rounds 5]

On all headlines of the iNews corpus and on 2,000 of its bodies. What jieba 0.42.1 gives is the
reference: the share of texts with the very same words stands beside the speed. A second table tells
when the token cache is worth having: a chunk of texts cut, and found again.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.measure import Peer, Run, machine, medians, show_table
from headlines.compute import executors
from headlines.corpus.inews import read_split, split_paths
from headlines.corpus.token_cache import read_token_lists, tokens_for
from headlines.segmentation import Segmenter
from headlines.storage.layout import Catalog

Texts = Sequence[str]
PIECE = 100_000  # characters that are cut at once, and that a worker gets at once


def corpus(column: str) -> list[str]:
    """All texts of one column of the corpus, `title` or `content`."""
    return [
        row.fields[column]
        for split, path in split_paths().items()
        for row in read_split(path, split)
    ]


def by_pieces(texts: Texts, cut: Callable[[Texts], Any]) -> Run:
    """Cuts piece by piece; words are kept when they are to be looked at, not when time is taken.

    Holding the words of a whole corpus costs every peer the same, in Python's garbage collector.
    """
    pieces = in_pieces(texts)

    def run(keep: bool = False) -> list[Any]:
        kept = []
        for piece in pieces:
            words = cut(piece)
            if keep:
                kept += words.to_pylist() if isinstance(words, pa.Array) else words
        return kept

    return run


# What a peer prepares, in its own process. What is returned is what is timed.


def stock(texts: Texts) -> Run:
    """jieba as it comes."""
    jieba = quiet_jieba()
    jieba.initialize()
    return by_pieces(texts, lambda piece: [jieba.lcut(text) for text in piece])


def stock_parallel(texts: Texts) -> Run:
    """jieba with its own processes, which share the lines of one long text."""
    jieba = quiet_jieba()
    jieba.initialize()
    jieba.enable_parallel(2)
    lines = [" ".join(text.splitlines()) for text in texts]
    # Not `lcut`, which stays serial.
    return lambda: list(jieba.cut("\n".join(lines)))


def port(texts: Texts) -> Run:
    """`rjieba` as it comes."""
    import rjieba

    rjieba.cut("")
    return by_pieces(texts, lambda piece: [rjieba.cut(text) for text in piece])


def this_project(texts: Texts) -> Run:
    """`Segmenter`, in one process."""
    segmenter = Segmenter()
    segmenter.cut(["中国"])
    return by_pieces(texts, segmenter.cut)


def this_project_to_arrow(texts: Texts) -> Run:
    """The same, the words as an Arrow column: what workers hand back."""
    cut_to_arrow(["中国"])
    return by_pieces(texts, cut_to_arrow)


def this_project_in_processes(texts: Texts) -> Run:
    """The same in the workers that the pipeline has."""

    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)  # nor is this module installed
    pool = executors.executor(2)
    pieces = in_pieces(texts)

    def run(keep: bool = False) -> list[Any]:
        arrays = list(executors.bounded_map(pool, cut_to_arrow, pieces, 4))
        return [words for array in arrays for words in array.to_pylist()] if keep else []

    run()
    return run


def cut_to_arrow(texts: Texts) -> pa.Array:
    """The words of each text, as a worker hands them back."""
    return pa.array(Segmenter().cut(texts))


def quiet_jieba():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


def in_pieces(texts: Texts) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    characters = 0
    for text in texts:
        if characters > PIECE:
            pieces.append([])
            characters = 0
        pieces[-1].append(text)
        characters += len(text)
    return pieces


PEERS = {
    "jieba": (stock, "import jieba; jieba.setLogLevel(40); jieba.lcut('中国')"),
    "jieba, `enable_parallel(2)`": (stock_parallel, None),
    "`rjieba`": (port, "import rjieba; rjieba.cut('中国')"),
    "this project": (
        this_project,
        "from headlines.segmentation import segment; segment(['中国'])",
    ),
    "this project, to Arrow": (this_project_to_arrow, None),
    "this project, to Arrow, 2 processes": (this_project_in_processes, None),
}


def start_up(program: str, rounds: int) -> tuple[float, float]:
    """Seconds from the start of a process to the first words, and MiB that it holds then."""
    program += "; print(*[x for x in open('/proc/self/status') if x.startswith('VmRSS')])"
    seconds, memory = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds.append(time.perf_counter() - began)
        memory.append(int(done.stdout.split()[1]) / 1024)
    return statistics.median(seconds), statistics.median(memory)


def compare(name: str, texts: Texts, rounds: int) -> None:
    """All peers on the same texts."""
    peers = [Peer(peer, 1, prepare, texts=texts) for peer, (prepare, _) in PEERS.items()]
    seconds = medians([(peer, {}) for peer in peers], rounds)
    expected = peers[0].result(keep=True)
    characters = sum(map(len, texts))
    rows = []
    for peer, one in zip(peers, seconds, strict=True):
        same = "–"
        if peer.name != "jieba, `enable_parallel(2)`":  # it gives one list for all lines
            found = peer.result(keep=True)
            equal = sum(one == other for one, other in zip(found, expected, strict=True))
            same = f"{100 * equal / len(texts):.2f} %"
        program = PEERS[peer.name][1]
        ready = start_up(program, 3) if program else None
        rows.append(
            (
                peer.name,
                f"{characters / one / 1e6:.2f}",
                f"{seconds[0] / one:.1f}",
                same,
                f"{ready[0]:.2f}" if ready else "–",
                f"{ready[1]:.0f}" if ready else "–",
            )
        )
        peer.close()
    show_table(
        (
            f"{len(texts):,} {name}",
            "million characters a second",
            "times jieba",
            "texts as jieba cuts them",
            "start-up, s",
            "memory then, MiB",
        ),
        rows,
    )


def cache(texts: dict[str, Texts], rounds: int) -> None:
    """A chunk of 2,000 texts cut, cut and kept, and found."""
    rows = []
    for name, all_texts in texts.items():
        chunk = list(all_texts[:2000])
        for engine in ("fast", "jieba"):
            segmenter = Segmenter(engine)
            segmenter.cut(["中国"])
            cut, kept, found = [], [], []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as directory:
                    catalog = Catalog(Path(directory))
                    began = time.perf_counter()
                    segmenter.cut(chunk)
                    cut.append(time.perf_counter() - began)
                    began = time.perf_counter()
                    tokens_for(catalog, segmenter, chunk)
                    kept.append(time.perf_counter() - began)
                    began = time.perf_counter()
                    read_token_lists(tokens_for(catalog, segmenter, chunk))
                    found.append(time.perf_counter() - began)
            ms = [1e3 * statistics.median(times) for times in (cut, kept, found)]
            rows.append((f"2,000 {name}, {engine}", *(f"{one:.1f}" for one in ms)))
    show_table(("", "cut, ms", "cut and kept, ms", "found, ms"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{machine()}\n")
    texts = {"headlines": corpus("title"), "bodies": corpus("content")}
    # All headlines are cut in a few hundredths of a second: twenty times over is easier to time.
    compare("headlines, twenty times", texts["headlines"] * 20, options.rounds)
    compare("bodies", texts["bodies"][:2000], options.rounds)
    cache(texts, options.rounds)


if __name__ == "__main__":
    main()
