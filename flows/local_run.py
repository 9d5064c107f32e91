"""A flow run from the command line, and how Ctrl-C ends it."""

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from flows.connection import connect
from headlines.errors import InputError
from headlines.settings import Settings
from operations.server_errors import server_errors_explained
from operations.startup import garbage_collector_paused
from tasks.interruption import interrupted

if TYPE_CHECKING:
    from operations.embedded import EmbeddedServer

INTERRUPTED = 130  # exit status, as that of a shell
INTERRUPTED_MESSAGE = "interrupted; the next run continues from what is finished"
_END_SECONDS = 4.0


def run_flow(name: str, *arguments: Any, **parameters: Any) -> Any:
    """Run the flow of that name; return its result.

    It runs on the server that `PREFECT_API_URL` names, else on the data root's persistent one if
    that is up, else on one that is started for this process.

    Ctrl-C ends the process some seconds later at most, whatever the run waits for: what is
    published is complete, and locks end with the process.

    Raises:
        InputError: no server answers at `PREFECT_API_URL`.
        ServerFailed: the server cannot do its work, as where its disk is full.
    """
    before = signal.signal(signal.SIGINT, _interrupt)
    embedded = None
    try:
        embedded = connect()
        with garbage_collector_paused():
            from operations.prefect_settings import ignore_working_directory

            ignore_working_directory()
            flow = getattr(importlib.import_module(f"flows.{name}"), name)
            _do_not_wait_for_heartbeats()
        threading.Thread(target=_load_while_waiting, daemon=True).start()
        if embedded:
            embedded.wait_until_ready()
        with server_errors_explained():
            return flow(*arguments, **parameters)
    finally:
        if interrupted.is_set():  # whatever the flow has made of it
            _leave(embedded)
        signal.signal(signal.SIGINT, before)


def _load_while_waiting() -> None:
    """Load what the flows need in any case, while they wait for their server."""
    import pandas  # noqa: F401

    from headlines.segmentation import Segmenter

    with contextlib.suppress(InputError):  # raised where the segmenter is used
        Segmenter.from_settings(Settings.from_environment()).cut(["标题"])


def _do_not_wait_for_heartbeats() -> None:
    """Save the second that Prefect waits at the end of each flow for a thread that sleeps."""
    from prefect import flow_engine

    send_heartbeats: Any = flow_engine._send_heartbeats
    send_heartbeats.__wrapped__.__defaults__ = (False,)  # `join_on_exit`


def _interrupt(*_: Any) -> None:
    if interrupted.is_set():
        os._exit(INTERRUPTED)
    interrupted.set()
    message = (
        f"headlines: interrupted; reporting to the server, for {_END_SECONDS:.0f} s at most "
        "(Ctrl-C again ends at once)\n"
    )
    os.write(2, message.encode())  # the main thread may be writing to `sys.stderr` just now
    deadline = threading.Timer(_END_SECONDS, os._exit, [INTERRUPTED])
    deadline.daemon = True
    deadline.start()
    raise KeyboardInterrupt


def _leave(embedded: "EmbeddedServer | None") -> NoReturn:
    """End the process without waiting for threads, which wait for workers."""
    logging.shutdown()
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker

        EventsWorker.drain_all(timeout=1)  # they hold the states of the tasks
    if embedded:
        embedded.stop()
    sys.stdout.flush()
    print(f"headlines: {INTERRUPTED_MESSAGE}", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
