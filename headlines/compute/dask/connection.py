"""The connection to a scheduler, secured by TLS beyond this machine.

Whoever reaches a scheduler, or sits between it and its workers, can run any code on them. So
connections between machines need TLS with certificates on both sides.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headlines.compute.dask import local_cluster
from headlines.compute.dask.executor import ClusterExecutor
from headlines.errors import ClusterError, InputError
from headlines.settings import is_loopback

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

CONNECT_SECONDS = 10  # to connect, and to reconnect before calls in flight count as lost
_WORKERS_SECONDS = 60  # for the first worker

_TLS = ("ca-file", "client.cert", "client.key")  # in distributed.comm.tls; the key may be absent


def connect(address: str) -> ClusterExecutor:
    """Connect to a running cluster.

    Args:
        address: of its scheduler: `tcp://` or `tls://`, host and port.

    Raises:
        InputError: certificates are missing, or a part of the cluster is reachable without TLS.
        ClusterError: the scheduler does not answer, or has no workers.
    """
    return ClusterExecutor(_client(address, _security(address)), address)


def start_local(workers: int, environment: Mapping[str, str]) -> ClusterExecutor:
    """Start a cluster that ends with this process, and connect to it.

    Args:
        workers: how many processes, of one thread each.
        environment: variables that they get in addition to those of this process.

    Raises:
        ClusterError: it does not start.
    """
    from distributed.security import Security

    cluster = local_cluster.start(workers, environment)
    try:
        client = _client(cluster.address, Security(**cluster.credentials))
    except BaseException:
        cluster.close()
        raise
    return ClusterExecutor(client, cluster.address, cluster.close)


def _client(address: str, security: "Security") -> "Client":
    _silence_logs()
    from distributed import Client

    try:
        client = Client(
            address,
            security=security,
            timeout=CONNECT_SECONDS,
            set_as_default=False,
        )
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"the scheduler at {address} does not answer ({error})") from error
    try:
        _require_tls(client)
        client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
    except BaseException as error:
        client.close()
        if isinstance(error, TimeoutError):
            raise ClusterError(f"the scheduler at {address} has no workers") from error
        raise
    return client


def _security(address: str) -> "Security":
    import dask
    from distributed.security import Security

    if not address.startswith("tls://"):
        return Security()
    [ca, certificate, key] = [dask.config.get(f"distributed.comm.tls.{name}") for name in _TLS]
    if not ca or not certificate:
        raise InputError(
            "no certificate for the TLS connection",
            f"HEADLINES_DASK={address}",
            "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and "
            "…__TLS__CLIENT__KEY, or the same in ~/.config/dask",
        )
    security = Security(require_encryption=True)
    try:
        security.get_connection_args("client")
    except OSError as error:  # ssl.SSLError among them
        raise InputError(
            f"a certificate cannot be used ({error})",
            ", ".join(str(path) for path in (ca, certificate, key) if path),
            "give PEM files: the authority's certificate, yours, and its key",
        ) from error
    return security


def _require_tls(client: "Client") -> None:
    """Check the addresses that the scheduler and its workers listen on.

    A scheduler reached at 127.0.0.1 may listen on all of a machine's addresses.
    """
    info: Any = client.scheduler_info(n_workers=-1)
    for address in (info["address"], *info["workers"]):
        parts = urlsplit(address)
        if parts.scheme != "tls" and not is_loopback(parts.hostname or ""):
            raise InputError(
                "other machines can reach it without TLS, and anyone who reaches it can run code",
                address,
                "start scheduler and workers with --host 127.0.0.1, or with certificates, as "
                "docs/scaling.md says",
            )


def _silence_logs() -> None:
    """Keep Dask's log lines out of ours: problems are raised as errors."""
    import dask

    if not dask.config.get("logging", None):
        dask.config.set({"logging": {"distributed": "critical"}})
    from distributed.versions import VersionMismatchWarning

    for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Workers check the versions that matter themselves (`headlines.compute.dask.version_check`).
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)
