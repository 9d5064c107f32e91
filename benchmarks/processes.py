"""Measures a command: its time, and the memory of all its processes together."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLED_SECONDS = 0.2  # shorter peaks may be missed


@dataclass(frozen=True)
class Measured:
    """Time and memory of a command.

    Attributes:
        seconds: wall-clock time, the start of the process included.
        peak_memory: most bytes held at one time by it and its descendants; a page that several
            of them share counts once.
    """

    seconds: float
    peak_memory: int


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message has its standard error.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = 0
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(SAMPLED_SECONDS):
            peak = max(peak, sum(map(_proportional_set, _descendants(process.pid))))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        _, stderr = process.communicate()
        seconds = time.perf_counter() - began
    finally:
        ended.set()
        sampler.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{stderr}")
    return Measured(seconds, peak)


def _descendants(process: int) -> Iterator[int]:
    """The ids of a process and all its descendants."""
    children = defaultdict(list)
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except OSError:  # the process has just ended
            continue
        children[int(after_name[1])].append(int(status.parent.name))
    waiting = [process]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def _proportional_set(process: int) -> int:
    """Proportional set size in bytes: of a page shared by n processes, 1/n; 0 if it ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
