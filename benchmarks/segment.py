"""Cutting texts into words: this project, jieba (serial and parallel) and plain `rjieba`.

    python -m benchmarks.segment [--rounds 5] [--headlines COUNT] [--bodies 2000]

On headlines of the iNews corpus (by default all) and bodies. jieba 0.42.1 is the reference: the
first table shows the speed and the share of texts with the same words as jieba's. The second table
shows what the token cache saves: cutting a chunk of texts, and reading it from the cache.
"""

from __future__ import annotations

import argparse
import logging
import operator
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.measure import Peer, Run, machine, medians, positive, show_table
from headlines.compute import executors
from headlines.corpus.inews import read_split, split_paths
from headlines.corpus.token_cache import read_token_lists, tokens_for
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

Texts = Sequence[str]
CHUNK_CHARS = 100_000  # cut in one call, and sent to a worker at once


def corpus(column: str) -> list[str]:
    """All texts of one column of the corpus, `title` or `content`."""
    return [
        row.fields[column]
        for split, path in split_paths().items()
        for row in read_split(path, split)
    ]


def by_chunks(texts: Texts, cut: Callable[[Texts], Any]) -> Run:
    """Cuts chunk by chunk; the words are kept to compare them, but not when time is taken.

    Keeping the words of a whole corpus would cost every peer the same, in Python's garbage
    collector.
    """
    chunks = in_chunks(texts)

    def run(keep: bool = False) -> list[Any]:
        kept = []
        for chunk in chunks:
            words = cut(chunk)
            if keep:
                kept += words.to_pylist() if isinstance(words, pa.Array) else words
        return kept

    return run


# Each peer prepares in its own process and returns the function that is timed.


def serial_jieba(texts: Texts) -> Run:
    """jieba in one process."""
    jieba = quiet_jieba()
    jieba.initialize()
    return by_chunks(texts, lambda chunk: [jieba.lcut(text) for text in chunk])


def parallel_jieba(texts: Texts) -> Run:
    """jieba with its own processes, which share the lines of one long text."""
    jieba = quiet_jieba()
    jieba.initialize()
    jieba.enable_parallel(2)
    lines = [" ".join(text.splitlines()) for text in texts]
    # not `lcut`, which is always serial
    return lambda: list(jieba.cut("\n".join(lines)))


def plain_rjieba(texts: Texts) -> Run:
    """`rjieba` without our corrections."""
    import rjieba

    rjieba.cut("")
    return by_chunks(texts, lambda chunk: [rjieba.cut(text) for text in chunk])


def this_project(texts: Texts) -> Run:
    """`Segmenter`, in one process."""
    segmenter = Segmenter()
    segmenter.cut(["中国"])
    return by_chunks(texts, segmenter.cut)


def this_project_to_arrow(texts: Texts) -> Run:
    """The same, with the words as an Arrow column, as workers return them."""
    cut_to_arrow(["中国"])
    return by_chunks(texts, cut_to_arrow)


def this_project_in_processes(texts: Texts) -> Run:
    """The same in the worker processes of the pipeline."""
    # Workers import this module, which is not installed, by its name and not as `__main__`.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    from benchmarks.segment import cut_to_arrow

    pool = executors.executor(2, Settings.from_environment())
    chunks = in_chunks(texts)

    def run(keep: bool = False) -> list[Any]:
        arrays = list(executors.bounded_map(pool, cut_to_arrow, chunks, 4))
        return [words for array in arrays for words in array.to_pylist()] if keep else []

    run()
    return run


def cut_to_arrow(texts: Texts) -> pa.Array:
    """The words of each text as a worker returns them."""
    return pa.array(Segmenter().cut(texts))


def quiet_jieba() -> Any:
    """jieba, without its messages and warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


def in_chunks(texts: Texts) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    characters = 0
    for text in texts:
        if characters > CHUNK_CHARS:
            chunks.append([])
            characters = 0
        chunks[-1].append(text)
        characters += len(text)
    return chunks


PEERS = {
    "jieba": (serial_jieba, "import jieba; jieba.setLogLevel(40); jieba.lcut('中国')"),
    "jieba, `enable_parallel(2)`": (parallel_jieba, None),
    "`rjieba`": (plain_rjieba, "import rjieba; rjieba.cut('中国')"),
    "this project": (
        this_project,
        "from headlines.segmentation import segment; segment(['中国'])",
    ),
    "this project, to Arrow": (this_project_to_arrow, None),
    "this project, to Arrow, 2 processes": (this_project_in_processes, None),
}


def start_up(program: str, rounds: int) -> tuple[float, float]:
    """Seconds from the start of a process to its first words, and its memory then in MiB."""
    program += "; print(*[x for x in open('/proc/self/status') if x.startswith('VmRSS')])"
    seconds, memory = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds.append(time.perf_counter() - started)
        memory.append(int(done.stdout.split()[1]) / 1024)
    return statistics.median(seconds), statistics.median(memory)


def compare(name: str, texts: Texts, rounds: int) -> None:
    """All peers on the same texts."""
    peers = [Peer(peer, 1, prepare, texts=texts) for peer, (prepare, _) in PEERS.items()]
    seconds = medians([(peer, {}) for peer in peers], rounds)
    expected = peers[0].result(keep=True)
    characters = sum(map(len, texts))
    rows = []
    for peer, peer_seconds in zip(peers, seconds, strict=True):
        same = "–"
        if peer.name != "jieba, `enable_parallel(2)`":  # it gives one list for all lines
            token_lists = peer.result(keep=True)
            equal = sum(map(operator.eq, token_lists, expected))
            same = f"{100 * equal / len(texts):.2f} %"
        program = PEERS[peer.name][1]
        ready = start_up(program, min(3, rounds)) if program else None
        rows.append(
            (
                peer.name,
                f"{characters / peer_seconds / 1e6:.2f}",
                f"{seconds[0] / peer_seconds:.1f}",
                same,
                f"{ready[0]:.2f}" if ready else "–",
                f"{ready[1]:.0f}" if ready else "–",
            )
        )
        peer.close()
    show_table(
        (
            f"{len(texts):,} {name}",
            "million characters/s",
            "× jieba",
            "same words as jieba",
            "start-up, s",
            "memory after it, MiB",
        ),
        rows,
    )


def cache(texts: Mapping[str, Texts], rounds: int) -> None:
    """Times of a chunk of at most 2,000 texts: cut; cut and cached; read from the cache."""
    rows = []
    for name, all_texts in texts.items():
        chunk = list(all_texts[:2000])
        for engine in ("fast", "jieba"):
            segmenter = Segmenter(engine)
            segmenter.cut(["中国"])
            cut, cached, reused = [], [], []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as directory:
                    root = DataRoot.open(directory)
                    started = time.perf_counter()
                    segmenter.cut(chunk)
                    cut.append(time.perf_counter() - started)
                    started = time.perf_counter()
                    tokens_for(root, segmenter, chunk)
                    cached.append(time.perf_counter() - started)
                    started = time.perf_counter()
                    read_token_lists(tokens_for(root, segmenter, chunk))
                    reused.append(time.perf_counter() - started)
            ms = [1e3 * statistics.median(times) for times in (cut, cached, reused)]
            rows.append((f"{len(chunk):,} {name}, {engine}", *(f"{median:.1f}" for median in ms)))
    show_table(("", "cut, ms", "cut and cached, ms", "reused, ms"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--headlines", type=positive, help="the first ones (default: all 7353)")
    parser.add_argument("--bodies", type=positive, default=2000, help="the first ones")
    options = parser.parse_args()
    print(f"{machine()}\n")
    texts = {
        "headlines": corpus("title")[: options.headlines],
        "bodies": corpus("content")[: options.bodies],
    }
    # All headlines are cut in a few hundredths of a second, too short to time precisely.
    compare("headlines, twenty times", texts["headlines"] * 20, options.rounds)
    compare("bodies", texts["bodies"], options.rounds)
    cache(texts, options.rounds)


if __name__ == "__main__":
    main()
