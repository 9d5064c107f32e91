"""Runs a piece of work in a process of its own, which gives back all its memory when it is done.

TensorFlow keeps 20 to 50 MB of each network that was trained, for as long as its process lives.
"""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from headlines.runner import end_with
from headlines.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """The result of a function of a module; with HEADLINES_RUNNER=threads it is just called.

    The process ends with this one, however this one ends.
    """
    if Settings.from_environment().runner == "threads":
        return function(*arguments, **named)
    import loky  # see `headlines.runner` for why not the standard library's pool

    pool = loky.ProcessPoolExecutor(1, initializer=end_with, initargs=(os.getpid(),))
    try:
        result: R = pool.submit(function, *arguments, **named).result()
        return result
    finally:
        pool.shutdown(kill_workers=True)
