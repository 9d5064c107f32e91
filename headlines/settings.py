"""Settings from the environment, read once where a program starts and handed down."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headlines.errors import InputError

RUNNERS = ("threads", "processes", "dask")
LANGUAGES = ("en", "zh")  # of reports
DEFAULT_PORT = 4200
_MAX_WORKERS = 256


@dataclass(frozen=True)
class Settings:
    """The `HEADLINES_…` variables; an empty one counts as unset.

    The defaults are those of a plain call from Python: work runs in threads.

    Not here: `HEADLINES_CACHE`, `HEADLINES_CONDITIONAL_WRITES` and `AWS_…`, which each machine that
    opens a bucket reads for itself; and `PREFECT_…`, `DASK_…` and `TF_…`, which those libraries
    read.

    Attributes:
        data: `HEADLINES_DATA`, the data root: a directory, or `s3://BUCKET/PREFIX`.
        runner: `HEADLINES_RUNNER`, where heavy work runs, one of `RUNNERS`.
        workers: `HEADLINES_WORKERS`, how many calls run at once on this machine.
        scheduler: `HEADLINES_DASK`, the address of a Dask scheduler; None starts a cluster of
            processes on this machine.
        engine: `HEADLINES_ENGINE`, what cuts headlines into words; `Segmenter` validates it.
        dictionary: `HEADLINES_DICTIONARY`, the path of a user dictionary.
        port: `HEADLINES_PORT`, of the persistent Prefect server.
        json_logs: `HEADLINES_LOGS`, whether logs are JSON lines.
        language: `HEADLINES_LANG`, of the reports, one of `LANGUAGES`; if unset, that of the
            locale.
    """

    data: str = "data"
    runner: str = "threads"
    workers: int = 1
    scheduler: str | None = None
    engine: str = "fast"
    dictionary: str | None = None
    port: int = DEFAULT_PORT
    json_logs: bool = False
    language: str = "en"

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment.

        Raises:
            InputError: a variable has an invalid value.
        """
        variables = {name: value for name, value in os.environ.items() if value}
        runner = variables.get("HEADLINES_RUNNER", "processes")
        if runner not in RUNNERS:
            raise InputError(
                f"{runner!r} is not a runner", "HEADLINES_RUNNER", f"use {', '.join(RUNNERS)}"
            )
        scheduler = variables.get("HEADLINES_DASK")
        if runner == "dask" and scheduler:
            _check_scheduler(scheduler)
        return cls(
            data=variables.get("HEADLINES_DATA", "data"),
            runner=runner,
            workers=_number(
                variables, "HEADLINES_WORKERS", "number of workers", 1, _MAX_WORKERS, os.cpu_count()
            ),
            scheduler=scheduler,
            engine=variables.get("HEADLINES_ENGINE", "fast"),
            dictionary=variables.get("HEADLINES_DICTIONARY"),
            port=_number(variables, "HEADLINES_PORT", "port", 1024, 65535, DEFAULT_PORT),
            json_logs=variables.get("HEADLINES_LOGS") == "json",
            language=_language(variables),
        )

    @property
    def data_root(self) -> str:
        """The data root as an absolute path or a URL, which any process understands."""
        return self.data if "://" in self.data else str(Path(self.data).expanduser().resolve())


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, which no other one reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _language(variables: Mapping[str, str]) -> str:
    language = variables.get("HEADLINES_LANG")
    if language is None:
        names = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts, as in POSIX
        locale = next((variables[name] for name in names if name in variables), "")
        return "zh" if locale.lower().startswith("zh") else "en"
    if language not in LANGUAGES:
        raise InputError(
            f"{language!r} is not a language of reports",
            "HEADLINES_LANG",
            f"use {' or '.join(LANGUAGES)}",
        )
    return language


def _number(
    variables: Mapping[str, str], name: str, what: str, low: int, high: int, default: int | None
) -> int:
    value = variables.get(name, str(default or low))
    if not value.isascii() or not value.isdecimal() or not low <= int(value) <= high:
        raise InputError(f"{value!r} is not a {what}", name, f"use a number from {low} to {high}")
    return int(value)


def _check_scheduler(address: str) -> None:
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
        extra = parts.path or parts.query or parts.fragment or parts.username is not None
    except ValueError:
        valid = extra = None
    if not valid or extra:
        raise InputError(
            f"{address!r} is not the address of a scheduler",
            "HEADLINES_DASK",
            "use tls://HOST:PORT, or tcp://127.0.0.1:PORT on this machine",
        )
    if parts.scheme == "tcp" and not is_loopback(parts.hostname or ""):
        raise InputError(
            f"{address} is on another machine and has no TLS: anyone who reaches it can run code",
            "HEADLINES_DASK",
            "start the cluster with certificates, as docs/scaling.md says, and use tls://",
        )
