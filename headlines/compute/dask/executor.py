"""The workers of a cluster as a `concurrent.futures.Executor`, like a pool of threads.

Dask's own executor does the sending. This one sends the check of the worker's code along, and
turns what Dask says of lost workers and schedulers into errors that a person understands. A piece
of work that raises is not tried again here, as Prefect does that, sees it and names it; one whose
worker died is given to another worker by Dask, up to its `allowed-failures`.
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

_LOOK_SECONDS = 5
_LONELY_SECONDS = 60  # without any worker, until what waits counts as lost


class ClusterExecutor(Executor):
    """Has functions called by the workers of a cluster.

    Functions and arguments are pickled, and should be small: paths, digests, settings.

    Args:
        client: the connection.
        address: of the scheduler, for errors.
        on_close: is called when the cluster was left.
    """

    def __init__(
        self, client: "Client", address: str, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._address = address
        self._on_close = on_close
        self._pool = client.get_executor()
        # From what a caller waits for to Dask's own. Neither may hold the other for longer: the
        # scheduler forgets a piece of work when the last that holds it is gone.
        self._waiting: dict[Future[Any], Future[Any]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="headlines-dask", daemon=True).start()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone for good."""
        return bool(self._client.status in ("closing", "closed"))

    @property
    def threads(self) -> int:
        """How many pieces the cluster works on at once, as it is now.

        Raises:
            ClusterError: the connection was lost.
        """
        with self._telling_of_loss():
            return sum(self._client.nthreads().values())

    def on_every_worker(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """What a function gives on each of the workers that are there now, by their address.

        Raises:
            ClusterError: the connection was lost.
        """
        with self._telling_of_loss():
            return dict(self._client.run(function, *arguments))

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> "Future[Any]":
        """Have a worker call `function(*arguments, **named)`.

        The future's error is a ClusterError where no worker could, and else what was raised.
        """
        call = partial(function, **named) if named else function
        told: Future[Any] = Future()
        with self._telling_of_loss():
            # A key of its own for each call: Dask takes calls of the same key for the same, and
            # would answer with what it found before the files changed.
            name = getattr(function, "__name__", "call")
            done = self._pool.submit(
                run_checked, code(), call, *arguments, key=f"{name}-{uuid.uuid4().hex}"
            )
        with self._lock:
            self._waiting[told] = done
        told.add_done_callback(self._is_told)
        done.add_done_callback(partial(self._tell, told))
        return told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster. What is under way is lost to this caller."""
        self._ended.set()
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.close(timeout=2)
        self._on_close()
        self._fail("the connection was closed")

    def _tell(self, told: "Future[Any]", done: "Future[Any]") -> None:
        if done.cancelled():
            _end(told, self._loss())
        elif (error := done.exception()) is not None:
            # The first frame is of Dask's own executor. It holds the piece of work, the client
            # holds the error, and so the scheduler would never forget what failed.
            traceback = error.__traceback__
            _end(told, _understood(error.with_traceback(traceback and traceback.tb_next)))
        elif told.set_running_or_notify_cancel():
            told.set_result(done.result())

    def _is_told(self, told: "Future[Any]") -> None:
        with self._lock:
            done = self._waiting.pop(told)
        if told.cancelled():
            done.cancel()

    def _watch(self) -> None:
        lonely = 0.0
        while not self._ended.wait(_LOOK_SECONDS):
            if self.is_lost:
                self._fail(str(self._loss()))
                return
            with contextlib.suppress(Exception):  # it is just being lost: the next look tells
                lonely = 0.0 if self._client.nthreads() else lonely + _LOOK_SECONDS
            if lonely >= _LONELY_SECONDS:
                self._fail(f"the scheduler at {self._address} has had no workers for a minute")

    def _fail(self, reason: str) -> None:
        with self._lock:
            waiting = list(self._waiting)
        for told in waiting:
            _end(told, ClusterError(reason))

    @contextlib.contextmanager
    def _telling_of_loss(self) -> Iterator[None]:
        from distributed.client import ClosedClientError

        try:
            yield
        except (OSError, TimeoutError, ClosedClientError) as error:
            raise self._loss() from error

    def _loss(self) -> ClusterError:
        return ClusterError(f"the connection to the scheduler at {self._address} was lost")


def _end(told: "Future[Any]", error: BaseException) -> None:
    with contextlib.suppress(Exception):  # it was ended meanwhile
        told.set_exception(error)


def _understood(error: BaseException) -> BaseException:
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    if isinstance(error, KilledWorker):
        return ClusterError(
            f"{error.allowed_failures + 1} workers died of the same piece of work, the last at "
            f"{error.last_worker.address}; most often memory was too little: give each worker "
            "more (--memory-limit), or fewer threads; its nanny's log says what it died of"
        )
    if isinstance(error, NoWorkerError):
        return ClusterError(str(error))
    return error
