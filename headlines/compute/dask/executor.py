"""The workers of a Dask cluster as a `concurrent.futures.Executor`.

It wraps Dask's own executor: each call first checks the worker's code, and lost workers and
schedulers become errors that a person understands. A call that raises is not retried here, as
Prefect does that; Dask gives the calls of a worker that died to another one, up to its
`allowed-failures`.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any

from headlines.compute.dask.version_check import code, run_checked
from headlines.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

_POLL_SECONDS = 5
_NO_WORKERS_SECONDS = 60  # without any worker, until pending calls count as lost


class ClusterExecutor(Executor):
    """Calls functions on the workers of a cluster.

    Functions and arguments are pickled, and should be small: paths, digests, settings.

    Args:
        client: the connection.
        address: of the scheduler, for errors.
        on_close: called after the connection is closed.
    """

    def __init__(
        self, client: "Client", address: str, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._address = address
        self._on_close = on_close
        self._pool = client.get_executor()
        # From a caller's future to Dask's. Neither may hold the other for longer: the scheduler
        # forgets a call when the last reference to its future is gone.
        self._pending: dict[Future[Any], Future[Any]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="headlines-dask", daemon=True).start()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone for good."""
        return bool(self._client.status in ("closing", "closed"))

    @property
    def threads(self) -> int:
        """How many calls the cluster runs at once, as it is now.

        Raises:
            ClusterError: the connection was lost.
        """
        with self._reporting_loss():
            return sum(self._client.nthreads().values())

    def on_every_worker(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """The result of a function on each of the present workers, by their addresses.

        Raises:
            ClusterError: the connection was lost.
        """
        with self._reporting_loss():
            return dict(self._client.run(function, *arguments))

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> "Future[Any]":
        """Call `function(*arguments, **named)` on a worker.

        The future's error is a ClusterError if no worker could run it, else what it raised.
        """
        call = partial(function, **named) if named else function
        future: Future[Any] = Future()
        with self._reporting_loss():
            # A unique key for each call: Dask answers a key that it knows with the earlier result,
            # from before files changed.
            name = getattr(function, "__name__", "call")
            dask_future = self._pool.submit(
                run_checked, code(), call, *arguments, key=f"{name}-{uuid.uuid4().hex}"
            )
        with self._lock:
            self._pending[future] = dask_future
        future.add_done_callback(self._forget)
        dask_future.add_done_callback(partial(self._resolve, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the connection; calls in flight fail."""
        self._closed.set()
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.close(timeout=2)
        self._on_close()
        self._fail_pending("the connection was closed")

    def _resolve(self, future: "Future[Any]", dask_future: "Future[Any]") -> None:
        if dask_future.cancelled():
            _fail(future, self._loss())
        elif (error := dask_future.exception()) is not None:
            # The first frame is of Dask's own executor. It holds the call, the client holds the
            # error, and so the scheduler would never forget a call that failed.
            traceback = error.__traceback__
            _fail(future, _explained(error.with_traceback(traceback and traceback.tb_next)))
        elif future.set_running_or_notify_cancel():
            future.set_result(dask_future.result())

    def _forget(self, future: "Future[Any]") -> None:
        with self._lock:
            dask_future = self._pending.pop(future)
        if future.cancelled():
            dask_future.cancel()

    def _watch(self) -> None:
        seconds_alone = 0.0
        while not self._closed.wait(_POLL_SECONDS):
            if self.is_lost:
                self._fail_pending(str(self._loss()))
                return
            with contextlib.suppress(Exception):  # just being lost: the next round reports it
                seconds_alone = 0.0 if self._client.nthreads() else seconds_alone + _POLL_SECONDS
            if seconds_alone >= _NO_WORKERS_SECONDS:
                self._fail_pending(
                    f"the scheduler at {self._address} has had no workers for a minute"
                )

    def _fail_pending(self, reason: str) -> None:
        with self._lock:
            pending = list(self._pending)
        for future in pending:
            _fail(future, ClusterError(reason))

    @contextlib.contextmanager
    def _reporting_loss(self) -> Iterator[None]:
        from distributed.client import ClosedClientError

        try:
            yield
        except (OSError, TimeoutError, ClosedClientError) as error:
            raise self._loss() from error

    def _loss(self) -> ClusterError:
        return ClusterError(f"the connection to the scheduler at {self._address} was lost")


def _fail(future: "Future[Any]", error: BaseException) -> None:
    with contextlib.suppress(Exception):  # it is done already
        future.set_exception(error)


def _explained(error: BaseException) -> BaseException:
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    if isinstance(error, KilledWorker):
        return ClusterError(
            f"{error.allowed_failures + 1} workers died of the same call, the last at "
            f"{error.last_worker.address}; most often they run out of memory: give each worker "
            "more (--memory-limit) or fewer threads; its nanny's log has the cause"
        )
    if isinstance(error, NoWorkerError):
        return ClusterError(str(error))
    return error
