"""Where heavy work runs: threads of this process, or processes of this machine."""

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from headlines.settings import Settings

Item = TypeVar("Item")
Result = TypeVar("Result")

_WATCH_SECONDS = 0.5
_IDLE_SECONDS = 60  # a process pool that has had no work for so long gives its memory back
_WORKER_ENVIRONMENT = {
    # One thread of BLAS a worker: the workers share the cores among themselves.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # What is freed goes back to the system: each keeps some 50 MB less between two pieces.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
}


def executor(pieces: int) -> Executor:
    """The executor for that many pieces of work, shared by all callers in this process.

    One piece runs in a thread whatever the runner: a pool would cost more than it saves.

    Raises:
        InputError: the settings cannot be used.
    """
    settings = Settings.from_environment()
    if settings.runner == "threads" or pieces <= 1:
        return _threads(settings.workers, os.getpid())
    # loky has a pool for each thread that asks it; here one thread asks for all of them.
    return _asking(os.getpid()).submit(_processes, settings.workers).result()


def windowed(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Results in the order of the items, with at most `window` items under way.

    Memory does not grow with the number of items.
    """
    waiting: deque[Future[Result]] = deque()
    remaining = iter(items)
    try:
        for item in itertools.islice(remaining, window):
            waiting.append(pool.submit(function, item))
        while waiting:
            result = waiting.popleft().result()
            for item in itertools.islice(remaining, 1):
                waiting.append(pool.submit(function, item))
            yield result
    finally:
        for future in waiting:
            future.cancel()


def _processes(workers: int) -> Executor:
    import loky

    # Not the standard library's pool: its workers import the caller's main module again, which
    # under a Prefect worker is Prefect.
    pool: Executor = loky.get_reusable_executor(
        max_workers=workers,
        timeout=_IDLE_SECONDS,
        env=_WORKER_ENVIRONMENT,
        initializer=_end_with,
        initargs=(os.getpid(),),
    )
    return pool


def _end_with(parent: int) -> None:
    """In a worker: end as soon as the process that it works for is gone.

    A worker that lives on holds the pipe by which a Prefect worker sees that a flow has ended.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="headlines-watch", daemon=True).start()


@cache
def _asking(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="headlines-pool")


@cache
def _threads(workers: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="headlines")
