"""Where heavy work runs: threads of this process, processes of this machine, a Dask cluster.

Executors are shared by all callers in this process.
"""

import atexit
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from headlines.errors import ClusterError, InputError
from headlines.settings import Settings

if TYPE_CHECKING:
    from headlines.compute.dask.executor import ClusterExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

_PARENT_CHECK_SECONDS = 0.5
_IDLE_SECONDS = 60  # a process pool without work for so long gives its memory back
_WORKER_ENVIRONMENT = {
    # One thread of BLAS a worker: the workers share the cores among themselves.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # Freed memory goes back to the system: each worker keeps some 50 MB less between two chunks.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
}


def executor(calls: int, settings: Settings) -> Executor:
    """The executor for a number of calls.

    A single call runs in a thread whatever the runner: a pool would cost more than it saves.

    Raises:
        InputError: the settings cannot be used, or no cluster answers.
        ClusterError: the connection to the cluster was lost.
    """
    if settings.runner == "threads" or calls <= 1:
        return _threads(settings.workers, os.getpid())
    return cluster(settings) if settings.runner == "dask" else _processes(settings)


def local_executor(calls: int, settings: Settings) -> Executor:
    """Like `executor`, but never on another machine: for work on files that only this one has."""
    if settings.runner == "dask" and calls > 1:
        return _processes(settings)
    return executor(calls, settings)


def cluster(settings: Settings) -> "ClusterExecutor":
    """The workers of the cluster at `settings.scheduler`, or of one started for this process.

    Raises:
        InputError, ClusterError: as `executor` does.
    """
    return _cluster_connection(os.getpid()).executor(settings)


def require_semaphores() -> None:
    """Check that processes can be started: they share semaphores, which lie in `/dev/shm`.

    Raises:
        InputError: this system gives none.
    """
    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as error:
        raise InputError(
            f"worker processes need semaphores ({error.strerror or error})",
            "/dev/shm",
            "make it writable, or set HEADLINES_RUNNER=threads",
        ) from error


def max_in_flight(settings: Settings) -> int:
    """How many calls to submit at once: for each worker one that runs and one that waits."""
    if settings.runner == "dask":
        with contextlib.suppress(ClusterError, InputError):  # `executor` reports it
            return 2 * max(1, cluster(settings).threads)
    return 2 * settings.workers


def bounded_map(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Results in the order of the items, with at most `window` items in flight.

    Memory does not grow with the number of items.
    """
    in_flight: deque[Future[Result]] = deque()
    remaining = iter(items)
    try:
        for item in itertools.islice(remaining, window):
            in_flight.append(pool.submit(function, item))
        while in_flight:
            result = in_flight.popleft().result()
            for item in itertools.islice(remaining, 1):
                in_flight.append(pool.submit(function, item))
            yield result
    finally:
        for future in in_flight:
            future.cancel()


def exit_with_parent(parent: int) -> None:
    """In a worker: exit when the process that it works for is gone.

    A worker that lives on holds the pipe by which a Prefect worker sees that a flow has ended.
    Ctrl-C in a terminal reaches it too: it is for the other process, which ends this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="headlines-watch", daemon=True).start()


@cache
def _threads(workers: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="headlines")


def _processes(settings: Settings) -> Executor:
    # loky has a pool for each thread that asks it; here one thread asks for all of them.
    return _pool_owner(os.getpid()).submit(_loky_pool, settings.workers).result()


@cache
def _pool_owner(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="headlines-pool")


def _loky_pool(workers: int) -> Executor:
    import loky

    require_semaphores()
    # Not the standard library's pool: its workers import the caller's main module again, which
    # under a Prefect worker is Prefect.
    pool: Executor = loky.get_reusable_executor(
        max_workers=workers,
        timeout=_IDLE_SECONDS,
        env=_WORKER_ENVIRONMENT,
        initializer=exit_with_parent,
        initargs=(os.getpid(),),
    )
    return pool


class _ClusterConnection:
    """The connection of this process to a cluster, opened when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ClusterExecutor | None = None
        self._cluster: tuple[str | None, int] | None = None
        atexit.register(self._close)

    def executor(self, settings: Settings) -> "ClusterExecutor":
        cluster = (settings.scheduler, settings.workers)
        with self._lock:
            reconnects = self._cluster == cluster
            if self._executor and reconnects and not self._executor.is_lost:
                return self._executor
            self._close()
            try:
                self._executor, self._cluster = _connect(settings), cluster
            except ClusterError as error:
                if reconnects:  # the scheduler may come back: a retry is worth it
                    raise
                raise InputError(
                    str(error),
                    f"HEADLINES_DASK={settings.scheduler or ''}",
                    "start the cluster, as docs/scaling.md says, or set HEADLINES_RUNNER=processes",
                ) from error
            return self._executor

    def _close(self) -> None:
        if self._executor:
            self._executor.shutdown()
            self._executor = None


@cache
def _cluster_connection(_process: int) -> _ClusterConnection:
    return _ClusterConnection()


def _connect(settings: Settings) -> "ClusterExecutor":
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f"Dask is not installed ({error})",
            "HEADLINES_RUNNER",
            "install the extra: pip install 'headlines[dask]'",
        ) from error
    from headlines.compute.dask.connection import connect, start_local

    if settings.scheduler:
        return connect(settings.scheduler)
    return start_local(settings.workers, _WORKER_ENVIRONMENT)
