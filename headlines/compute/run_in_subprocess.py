"""Runs one function in a process of its own."""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from headlines.compute.executors import exit_with_parent

P = ParamSpec("P")
R = TypeVar("R")


def run_in_subprocess(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """The result of a module's function, called in a new process that ends with this one."""
    import loky  # `headlines.compute.executors` says why not the standard library's pool

    pool = loky.ProcessPoolExecutor(1, initializer=exit_with_parent, initargs=(os.getpid(),))
    try:
        result: R = pool.submit(function, *arguments, **named).result()
        return result
    finally:
        pool.shutdown(kill_workers=True)
