"""Measures peers in separate processes that take turns, round by round.

A machine's speed varies by the minute. Peers that take turns vary alike, so the ratios hold where
the milliseconds do not. A separate process also shows the memory that a peer needs.
"""

from __future__ import annotations

import argparse
import atexit
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# Does the work once; its options are keywords. It may have an attribute `before`: an untimed
# function that is called before each run.
Run = Callable[..., Any]


class Peer:
    """A process that calls `prepare(**inputs)` once and runs the result on request.

    Attributes:
        name: its row in the table.
        threads: how many it may use.
    """

    def __init__(self, name: str, threads: int, prepare: Callable[..., Run], **inputs: Any) -> None:
        self.name = name
        self.threads = threads
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        # Libraries read these when they are imported, so they are set for the child's start.
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        limits["TF_CPP_MIN_LOG_LEVEL"] = "3"
        before = {variable: os.environ.get(variable) for variable in limits}
        os.environ.update(limits)
        self._process = context.Process(target=_serve, args=(other, threads, prepare, inputs))
        self._process.start()
        other.close()  # the connection then closes when the process ends
        atexit.register(self._connection.close)  # the process then ends when this one does
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
        self._ask(None)

    def _ask(self, question: Any) -> Any:
        self._connection.send(question)
        return self._connection.recv()

    def seconds(self, **options: Any) -> float:
        """Wall-clock time of one run."""
        seconds: float = self._ask(("seconds", options))
        return seconds

    def result(self, **options: Any) -> Any:
        """The result of one run."""
        return self._ask(("result", options))

    def peak_memory(self) -> int:
        """Peak memory so far, in bytes: of the process and of each of its workers, added."""
        count: int = self._ask(("peak_memory", {}))
        return count

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


PeerRun = tuple[Peer, dict[str, Any]]  # a peer and the options that it runs with


def _serve(connection: Connection, threads: int, prepare: Callable[..., Run], inputs: Any) -> None:
    _limit_tensorflow(threads, prepare)
    run = prepare(**inputs)
    connection.recv()
    connection.send("ready")
    while True:
        try:
            question, options = connection.recv()
        except EOFError:
            # The process waits for its workers, and those of a loky pool live on idle for a minute.
            # A pool of `multiprocessing` ends its own, which are daemons.
            for worker in multiprocessing.active_children():
                if not worker.daemon:
                    worker.terminate()
            return
        if question == "peak_memory":
            connection.send(_peak_memory())
            continue
        getattr(run, "before", lambda: None)()
        began = time.perf_counter()
        result = run(**options)
        seconds = time.perf_counter() - began
        connection.send(seconds if question == "seconds" else result)


def _peak_memory() -> int:
    # Not `getrusage`: a child starts there from the peak of its parent.
    processes = ["self", *(worker.pid for worker in multiprocessing.active_children())]
    lines = [
        line
        for process in processes
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
    ]
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _limit_tensorflow(threads: int, prepare: Callable[..., Run]) -> None:
    if not getattr(prepare, "needs_tensorflow", False):
        return  # peers without TensorFlow must not pay for its import
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def needs_tensorflow(prepare: Callable[..., Run]) -> Callable[..., Run]:
    """Mark a `prepare` function whose peer runs on TensorFlow."""
    prepare.needs_tensorflow = True  # type: ignore[attr-defined]
    return prepare


def best_options(peer: Peer, choices: Iterable[dict[str, Any]], times: int = 3) -> dict[str, Any]:
    """The options with which `peer` is fastest."""
    medians = []
    for options in choices:
        peer.seconds(**options)  # the first run may compile
        seconds = statistics.median(peer.seconds(**options) for _ in range(times))
        medians.append((seconds, options))
    return min(medians, key=lambda median: median[0])[1]


def medians(runs: Sequence[PeerRun], rounds: int) -> list[float]:
    """Median seconds of each peer with its options, over rounds in which they take turns."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for of_peer, (peer, options) in zip(seconds, runs, strict=True):
            of_peer.append(peer.seconds(**options))
    return [statistics.median(of_peer) for of_peer in seconds]


def fastest(runs: Sequence[PeerRun], rounds: int) -> PeerRun:
    """The peer, with its options, that needs the least time of those in `runs`."""
    seconds = medians(runs, rounds)
    return runs[seconds.index(min(seconds))]


def positive(text: str) -> int:
    """An argument of the command line: an integer, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer, 1 or more")
    return int(text)


def machine() -> str:
    """Processor, cores, system and Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.split(":")[1] for line in lines if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0))
    return (
        f"{model.strip()}, {cores} cores, {platform.system()}, Python {platform.python_version()}"
    )


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def spread(values: Sequence[float]) -> str:
    """Mean and, of several values, standard deviation."""
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def straight_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line, and R², the share of the variance of y that it explains."""
    slope, intercept = statistics.linear_regression(x, y)
    rest = sum((b - slope * a - intercept) ** 2 for a, b in zip(x, y, strict=True))
    mean = statistics.fmean(y)
    return slope, 1 - rest / sum((b - mean) ** 2 for b in y)
