"""A cluster on this machine for one process, to try Dask without setting one up.

    python -m headlines.compute.dask.local_cluster WORKERS

It is a program of its own, which exits when its standard input closes: Dask's worker processes
import the main module of the process that starts them, and that may be a Prefect worker. Temporary
certificates keep other users of the machine out, who could run code otherwise.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from headlines.errors import ClusterError

_START_SECONDS = 60
_QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical"}  # the caller reports errors
_CREDENTIALS = ("tls_ca_file", "tls_client_cert", "tls_client_key")  # PEM texts, not files


@dataclass(frozen=True)
class LocalCluster:
    """A running cluster.

    Attributes:
        process: the program.
        address: of the scheduler.
        credentials: arguments of `Security` for a client.
    """

    process: subprocess.Popen[str]
    address: str
    credentials: Mapping[str, str]

    def close(self) -> None:
        """Stop the cluster, and wait until it has exited."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(workers: int, environment: Mapping[str, str]) -> LocalCluster:
    """Start a cluster of workers with one thread each, and wait until it is ready.

    Args:
        workers: how many.
        environment: variables that its processes get in addition to those of this one.

    Raises:
        ClusterError: it does not start.
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
        raise ClusterError(f"could not start a cluster of {workers} workers on this machine")
    return LocalCluster(process, **json.loads(line))


def _serve(workers: int) -> None:
    import dask

    dask.config.set({f"distributed.{part}.http.routes": [] for part in ("scheduler", "worker")})
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
        credentials = {name: getattr(security, name) for name in _CREDENTIALS}
        ready = {"address": cluster.scheduler_address, "credentials": credentials}
        print(json.dumps(ready), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
