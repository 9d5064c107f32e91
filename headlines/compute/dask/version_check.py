"""What a worker of a cluster does: it sees that it runs the caller's code, then does the work.

The check travels with every piece of work and not with the connection alone: workers come and go
while a run lasts, and one of another release may be among those that come.
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

# What workers make; a model and a report are made where the flow runs.
_STAGES = ("admitted", "corpus", "evaluation", "predictions", "tokens", "words")
# Those whose version decides bytes, and Dask's own, which must understand each other.
_LIBRARIES = ("dask", "distributed", "jieba", "numpy", "pyarrow", "rjieba")


@dataclass(frozen=True)
class Code:
    """What decides a result besides the input.

    Attributes:
        stages: digest of the source of all modules that decide what workers make, and of the
            versions of their stages.
        versions: of Python and the libraries, by name.
    """

    stages: str
    versions: tuple[tuple[str, str], ...]

    def differs(self, other: "Code") -> str:
        """In what the other one is not this one, in words; empty where it is."""
        here, there = dict(self.versions), dict(other.versions)
        told = [f"{name} {there[name]} instead of {here[name]}" for name in here
                if here[name] != there[name]]  # fmt: skip
        if self.stages != other.stages:
            told.insert(0, f"code {other.stages[:8]} instead of {self.stages[:8]}")
        return ", ".join(told)


@cache
def code() -> Code:
    """The code that this process runs, as it was when this was first asked."""
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
    """Do the work, if this process runs the code that was expected.

    Raises:
        InputError: it does not; the error names this worker, and nothing was done.
    """
    if told := expected.differs(code()):
        raise InputError(
            f"the worker has another version than the run ({told})",
            f"worker {_name()}",
            "install the same release and requirements.lock there, and start the worker again",
        )
    return function(*arguments)


def inspect_worker(root: str) -> tuple[Code, bool]:
    """The code of this process, and whether it sees a data root."""
    return code(), Path(root).is_dir()


def _name() -> str:
    from distributed import get_worker

    try:
        address = f"{get_worker().address} on "
    except ValueError:  # no worker of Dask
        address = ""
    return f"{address}{socket.gethostname()} (process {os.getpid()})"


def _installed(library: str) -> str:
    try:
        return installed_version(library)
    except PackageNotFoundError:
        return "none"
