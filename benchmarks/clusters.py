"""Clusters of Dask to be measured: a scheduler and workers on loopback, all separate processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DASK = str(Path(sys.executable).with_name("dask"))


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up.

    Attributes:
        address: of the scheduler.
        scheduler: its process.
    """

    address: str
    scheduler: int

    def memory_of_scheduler(self) -> int:
        """Bytes that the scheduler holds now."""
        status = Path(f"/proc/{self.scheduler}/status").read_text()
        return 1024 * next(
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")
        )


@contextmanager
def cluster_of(workers: int, place: Path, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Start a cluster of so many workers with one thread each; it ends with the block."""
    from distributed import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    host = ["--host", "tcp://127.0.0.1", "--no-dashboard"]
    commands = [
        ["scheduler", *host, "--port", str(port)],
        *[
            ["worker", address, *host, "--nthreads", "1", "--memory-limit", "0",
             "--local-directory", str(place), "--death-timeout", "60"]
            for _ in range(workers)
        ],
    ]  # fmt: skip
    processes = [
        subprocess.Popen(
            [DASK, *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        with Client(address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(workers, timeout=60)
        yield Cluster(address, processes[0].pid)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
