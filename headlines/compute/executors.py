"""Where heavy work runs: threads of this process, processes of this machine, a Dask cluster."""

import atexit
import contextlib
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from headlines.errors import ClusterError, DamagedArtifact, InputError
from headlines.settings import Settings
from headlines.storage.artifact import Artifact, read_manifest

if TYPE_CHECKING:
    from headlines.compute.dask.executor import ClusterExecutor

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
        InputError: the settings cannot be used, or no cluster answers.
        ClusterError: the cluster, which was there, does not answer any more.
    """
    settings = Settings.from_environment()
    if settings.runner == "threads" or pieces <= 1:
        return _threads(settings.workers, os.getpid())
    return cluster() if settings.runner == "dask" else _loky(settings)


def local_executor(pieces: int) -> Executor:
    """The same, but never beyond this machine: for work on files that only this one sees."""
    settings = Settings.from_environment()
    return _loky(settings) if settings.runner == "dask" and pieces > 1 else executor(pieces)


def cluster() -> "ClusterExecutor":
    """The workers of the cluster that the settings name, or of one that is made for this process.

    Raises:
        InputError, ClusterError: as `executor` does.
    """
    return _clusters(os.getpid()).executor(Settings.from_environment())


def leave_cluster() -> None:
    """Close the connection to a cluster, if there is one; it is made again when it is needed."""
    _clusters(os.getpid()).close()


def max_in_flight() -> int:
    """How many pieces to have under way: for each worker one in work, and one that waits."""
    settings = Settings.from_environment()
    if settings.runner == "dask":
        with contextlib.suppress(ClusterError, InputError):  # whoever has work to give is told
            return 2 * max(1, cluster().threads)
    return 2 * settings.workers


def bounded_map(
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


class _Clusters:
    """The connection of this process to a cluster, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ClusterExecutor | None = None
        self._cluster: tuple[str | None, int] | None = None
        atexit.register(self.close)

    def executor(self, settings: Settings) -> "ClusterExecutor":
        """The executor on the cluster that the settings name."""
        cluster = (settings.scheduler, settings.workers)
        with self._lock:
            had_one = self._cluster == cluster
            if self._executor and had_one and not self._executor.is_lost:
                return self._executor
            self.close()
            try:
                self._executor, self._cluster = _dask(settings), cluster
            except ClusterError as error:
                if had_one:  # it may come back: to try again is worth it
                    raise
                raise InputError(
                    str(error),
                    f"HEADLINES_DASK={settings.scheduler or ''}",
                    "start the cluster, as docs/scaling.md says, or set HEADLINES_RUNNER=processes",
                ) from error
            return self._executor

    def close(self) -> None:
        """Leave the cluster, and end it if it is one of this machine."""
        if self._executor:
            self._executor.shutdown()
            self._executor = None


@cache
def _clusters(_process: int) -> _Clusters:
    return _Clusters()


def _dask(settings: Settings) -> "ClusterExecutor":
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


def _loky(settings: Settings) -> Executor:
    # loky has a pool for each thread that asks it; here one thread asks for all of them.
    return _pool_owner(os.getpid()).submit(_processes, settings.workers).result()


def _processes(workers: int) -> Executor:
    import loky

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


def exit_with_parent(parent: int) -> None:
    """In a worker: end as soon as the process that it works for is gone.

    A worker that lives on holds the pipe by which a Prefect worker sees that a flow has ended.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="headlines-watch", daemon=True).start()


@cache
def _pool_owner(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="headlines-pool")


@cache
def _threads(workers: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="headlines")


P = ParamSpec("P")


R = TypeVar("R")


def run_in_subprocess(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """The result of a function of a module; with HEADLINES_RUNNER=threads it is just called.

    The process ends with this one, however this one ends.
    """
    if Settings.from_environment().runner == "threads":
        return function(*arguments, **named)
    import loky  # see `headlines.compute.executors` for why not the standard library's pool

    pool = loky.ProcessPoolExecutor(1, initializer=exit_with_parent, initargs=(os.getpid(),))
    try:
        result: R = pool.submit(function, *arguments, **named).result()
        return result
    finally:
        pool.shutdown(kill_workers=True)


_WAIT_SECONDS = 60  # network file systems believe what they have looked up for at most so long


_LOOK_SECONDS = 0.2


def wait_until_visible(made: Artifact) -> Artifact:
    """An artifact that another process says it has published, once it is seen here.

    Where both use one machine it is there at once. A network file system that promises no more
    than what is opened after it was closed may show a new directory some seconds later.

    Raises:
        ClusterError: it does not show in a minute: the data root there is another one.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with contextlib.suppress(DamagedArtifact):  # its manifest may show before its content
            manifest = read_manifest(made.directory)
            if manifest is not None and manifest.key == made.manifest.key:
                return made
        if time.monotonic() > deadline:
            raise ClusterError(
                f"a worker has published {made.directory}, but it is not seen here; have all "
                "machines use one data root"
            )
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):
            os.listdir(made.directory.parent)  # has NFS ask its server again  # noqa: PTH208
