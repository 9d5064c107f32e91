"""A cluster of processes on this machine, for one caller, which it does not outlive.

    python -m headlines.compute.dask.local_cluster WORKERS

It runs as a program of its own: what Dask starts imports the main module of the process that
starts it, and that may be a Prefect worker. It ends when its standard input does. Certificates made
for this one cluster keep other users of the machine out: whoever reaches a scheduler can have it
run code.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headlines.errors import ClusterError

if TYPE_CHECKING:
    from distributed.security import Security

_START_SECONDS = 60
_QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical"}  # the caller tells what matters
_CREDENTIALS = ("tls_ca_file", "tls_client_cert", "tls_client_key")  # texts, not files


@dataclass(frozen=True)
class LocalCluster:
    """A cluster of processes on this machine.

    Attributes:
        process: the program; its end is the end of the cluster.
        address: of the scheduler.
        credentials: what a client needs to be let in, as arguments of `Security`.
    """

    process: subprocess.Popen[str]
    address: str
    credentials: Mapping[str, str]

    def close(self) -> None:
        """End the cluster, and wait until it is gone."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(workers: int, environment: Mapping[str, str]) -> LocalCluster:
    """Start a cluster of so many workers with one thread each, and wait until it is ready.

    Args:
        workers: how many.
        environment: variables that its processes have beside those of this one.

    Raises:
        ClusterError: it does not come up.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "headlines.compute.dask.local_cluster", str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment, **_QUIET},
        text=True,
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.wait()
        raise ClusterError(f"the cluster of {workers} workers on this machine did not come up")
    told = json.loads(line)
    return LocalCluster(process, told["address"], told["credentials"])


def _serve(workers: int) -> None:
    import dask

    dask.config.set(
        {
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
        }
    )
    from distributed import LocalCluster as DaskCluster
    from distributed.security import Security

    security = Security.temporary()
    with DaskCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        security=security,
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as cluster:
        _tell(cluster.scheduler_address, security)
        sys.stdin.read()


def _tell(address: str, security: "Security") -> None:
    credentials: dict[str, Any] = {name: getattr(security, name) for name in _CREDENTIALS}
    print(json.dumps({"address": address, "credentials": credentials}), flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
