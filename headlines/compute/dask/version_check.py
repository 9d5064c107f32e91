"""Checks before each call that a worker of a cluster runs the caller's code.

Checking once per connection is not enough: workers join during a run, perhaps of another release.
"""

import hashlib
import os
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from headlines.errors import InputError
from headlines.storage.stages import STAGES

Result = TypeVar("Result")

# The stages that run on workers; models and reports are made where the flow runs.
_STAGES = ("admitted", "corpus", "evaluation", "predictions", "tokens", "words")
# Those whose versions decide bytes, and Dask's, which must be compatible.
_LIBRARIES = ("dask", "distributed", "jieba", "numpy", "pyarrow", "rjieba")


@dataclass(frozen=True)
class Code:
    """What decides a result apart from the input.

    Attributes:
        stages: digest of the sources and versions of the stages that run on workers.
        versions: of Python and the libraries, by name.
    """

    stages: str
    versions: tuple[tuple[str, str], ...]

    def difference_from(self, expected: "Code") -> str:
        """What differs from the expected code, in words; empty if nothing does."""
        versions = {"code": self.stages[:8], **dict(self.versions)}
        wanted = {"code": expected.stages[:8], **dict(expected.versions)}
        return ", ".join(
            f"{name} {versions[name]} instead of {wanted[name]}"
            for name in wanted
            if versions[name] != wanted[name]
        )


@cache
def code() -> Code:
    """The code that this process runs, as of the first call."""
    digest = hashlib.sha256()
    for name in _STAGES:
        stage = STAGES[name]
        digest.update(f"{name} {stage.version}\n".encode())
        for module in stage.modules:
            spec = find_spec(module)
            assert spec is not None
            assert spec.origin is not None
            digest.update(Path(spec.origin).read_bytes())
    versions = {name: _installed(name) for name in _LIBRARIES}
    python = ".".join(platform.python_version_tuple()[:2])
    return Code(digest.hexdigest(), (("Python", python), *versions.items()))


def run_checked(expected: Code, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call the function, if this process runs the expected code.

    Raises:
        InputError: it does not; the error names this worker.
    """
    if difference := code().difference_from(expected):
        raise InputError(
            f"the worker's version differs from the run's ({difference})",
            f"worker {_worker_name()}",
            "install the same release and requirements.lock there, and restart the worker",
        )
    return function(*arguments)


def inspect_worker(root: str) -> tuple[Code, bool]:
    """The code of this process, and whether it sees the data root."""
    return code(), Path(root).is_dir()


def _worker_name() -> str:
    from distributed import get_worker

    try:
        address = f"{get_worker().address} on "
    except ValueError:  # not a Dask worker
        address = ""
    return f"{address}{socket.gethostname()} (process {os.getpid()})"


def _installed(library: str) -> str:
    try:
        return installed_version(library)
    except PackageNotFoundError:
        return "none"
