"""Settings that come from the environment: where the data lies and where the work runs."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headlines.errors import InputError
from headlines.storage.bucket.address import cache_directory

RUNNERS = ("threads", "processes", "dask")


@dataclass(frozen=True)
class Settings:
    """What a run takes from its surroundings.

    Attributes:
        data_root: directory of the inbox and of everything that runs make; for a data root in a
            bucket, its mirror on this machine.
        runner: where heavy work runs, one of `RUNNERS`.
        workers: how many pieces of work run at once on this machine.
        scheduler: address of the Dask scheduler whose workers do the work; None for a cluster of
            processes on this machine.
    """

    data_root: Path
    runner: str
    workers: int
    scheduler: str | None = None

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read `HEADLINES_DATA`, `HEADLINES_RUNNER`, `HEADLINES_WORKERS` and `HEADLINES_DASK`.

        Raises:
            InputError: a variable holds a value that cannot be used.
        """
        root = os.environ.get("HEADLINES_DATA") or "data"
        place = cache_directory(root) if "://" in root else Path(root).expanduser().resolve()
        runner = os.environ.get("HEADLINES_RUNNER") or "processes"
        if runner not in RUNNERS:
            raise InputError(
                f"{runner!r} is not a runner",
                "HEADLINES_RUNNER",
                f"use one of {', '.join(RUNNERS)}",
            )
        workers = os.environ.get("HEADLINES_WORKERS") or str(os.cpu_count() or 1)
        if not workers.isascii() or not workers.isdecimal() or not 1 <= int(workers) <= 256:
            raise InputError(
                f"{workers!r} is not a number of workers",
                "HEADLINES_WORKERS",
                "use a whole number from 1 to 256",
            )
        scheduler = os.environ.get("HEADLINES_DASK") or None
        if runner == "dask" and scheduler:
            _require_safe(scheduler)
        return cls(place, runner, int(workers), scheduler)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, which no other one reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_safe(scheduler: str) -> None:
    try:
        parts = urlsplit(scheduler)
        known = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
        extra = parts.path or parts.query or parts.fragment or parts.username is not None
    except ValueError:
        known = extra = None
    if not known or extra:
        raise InputError(
            f"{scheduler!r} is not the address of a scheduler",
            "HEADLINES_DASK",
            "give it as tls://HOST:PORT, or tcp://127.0.0.1:PORT on this machine",
        )
    if parts.scheme == "tcp" and not is_loopback(parts.hostname or ""):
        raise InputError(
            f"{scheduler} is beyond this machine and has no TLS, and whoever reaches it can run "
            "code",
            "HEADLINES_DASK",
            "start the cluster with certificates, as docs/scaling.md says, and use tls://",
        )
