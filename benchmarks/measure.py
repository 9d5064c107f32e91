"""Peers measured side by side: each in a process of its own, all of them in turn, round by round.

A machine's speed wanders by the minute. Peers that take turns see the same weather, so the ratios
hold where the milliseconds do not; and a process of its own tells what a peer needs of memory.
"""

from __future__ import annotations

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

# Does the work once; its options are keywords. It may have an attribute `before`: a function that
# is called before each run and not timed.
Run = Callable[..., Any]


class Peer:
    """A process that prepares once, by `prepare(**inputs)`, and runs what that gave when asked.

    Attributes:
        name: for the table.
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
        other.close()  # so that an end of the process is an end of the connection too
        atexit.register(self._connection.close)  # and the other way round, whatever happens here
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
        found: float = self._ask(("seconds", options))
        return found

    def result(self, **options: Any) -> Any:
        """What one run gives."""
        return self._ask(("result", options))

    def peak_memory(self) -> int:
        """Most bytes that the process has held so far."""
        found: int = self._ask(("peak_memory", {}))
        return found

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, threads: int, prepare: Callable[..., Run], inputs: Any) -> None:
    _limit_tensorflow(threads, prepare)
    run = prepare(**inputs)
    connection.recv()
    connection.send("ready")
    while True:
        try:
            question, options = connection.recv()
        except EOFError:
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
    # Not `getrusage`: there a process starts from the peak of the one that started it.
    status = Path("/proc/self/status").read_text()
    return 1024 * next(
        int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")
    )


def _limit_tensorflow(threads: int, prepare: Callable[..., Run]) -> None:
    if not getattr(prepare, "needs_tensorflow", False):
        return  # a peer that does without it must not pay for it
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def needs_tensorflow(prepare: Callable[..., Run]) -> Callable[..., Run]:
    """Mark what prepares a peer that runs on TensorFlow."""
    prepare.needs_tensorflow = True  # type: ignore[attr-defined]
    return prepare


def best_options(peer: Peer, choices: Iterable[dict[str, Any]], times: int = 3) -> dict[str, Any]:
    """The options that `peer` is fastest with."""
    medians = []
    for options in choices:
        peer.seconds(**options)  # the first run may compile
        seconds = statistics.median(peer.seconds(**options) for _ in range(times))
        medians.append((seconds, options))
    return min(medians, key=lambda found: found[0])[1]


def medians(runs: Sequence[tuple[Peer, dict[str, Any]]], rounds: int) -> list[float]:
    """The median time of each peer with its options, over rounds in which they take turns."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for seconds, (peer, options) in zip(found, runs, strict=True):
            seconds.append(peer.seconds(**options))
    return [statistics.median(seconds) for seconds in found]


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
    """Print a table as Markdown has it."""
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def straight_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line, and the share of the variance of y that it explains."""
    slope, intercept = statistics.linear_regression(x, y)
    rest = sum((b - slope * a - intercept) ** 2 for a, b in zip(x, y, strict=True))
    mean = statistics.fmean(y)
    return slope, 1 - rest / sum((b - mean) ** 2 for b in y)
