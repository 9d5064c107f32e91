"""Dask clusters for benchmarks: scheduler and workers as separate processes on loopback."""

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
    """A running cluster.

    Attributes:
        address: of the scheduler.
        scheduler: its process id.
    """

    address: str
    scheduler: int

    def scheduler_memory(self) -> int:
        """Resident memory of the scheduler, in bytes."""
        status = Path(f"/proc/{self.scheduler}/status").read_text()
        return 1024 * next(
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")
        )


@contextmanager
def start_cluster(
    workers: int, directory: Path, environment: Mapping[str, str]
) -> Iterator[Cluster]:
    """Start a cluster of `workers` workers with one thread each; it ends with the block."""
    from distributed import Client

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    host = ["--host", "tcp://127.0.0.1", "--no-dashboard"]
    commands = [
        ["scheduler", *host, "--port", str(port)],
        *[
            ["worker", address, *host, "--nthreads", "1", "--memory-limit", "0",
             "--local-directory", str(directory), "--death-timeout", "60"]
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
