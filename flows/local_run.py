"""A flow run from the command line: the server that it uses, and how Ctrl-C ends it."""

import importlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from headlines.errors import InputError
from headlines.settings import Settings
from operations.instance import PrefectInstance
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
    """
    before = signal.signal(signal.SIGINT, _interrupt)
    embedded = None
    try:
        embedded = connect()
        from operations.prefect_settings import ignore_working_directory

        ignore_working_directory()
        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        _do_not_wait_for_heartbeats()
        if embedded:
            embedded.wait_until_ready()
        return flow(*arguments, **parameters)
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):
            raise
        url = os.environ.get("PREFECT_API_URL", "")
        hint = "start that server, or unset the variable: the data root's own one is found"
        raise InputError("no Prefect server answers", f"PREFECT_API_URL={url}", hint) from error
    finally:
        if interrupted.is_set():  # whatever the flow has made of it
            _leave(embedded)
        signal.signal(signal.SIGINT, before)


def connect() -> "EmbeddedServer | None":
    """Have Prefect use the server that is configured, else the data root's if it is up.

    Returns:
        A server that was started for this process, as there is no other; it is not ready yet.
    """
    if os.environ.get("PREFECT_API_URL") or _prefect_has_a_server():
        return None
    from operations import embedded, server

    instance = PrefectInstance.from_settings(Settings.from_environment())
    started = None
    url = server.api_url_if_up(instance)  # a server that is busy is given time to answer
    if url is None:
        if server.is_running(instance):
            logging.getLogger("headlines").warning(
                "the server at %s does not answer; starting one for this run", instance.url
            )
        started = embedded.start(instance)
        url = started.instance.api_url
        os.environ["PREFECT_UI_URL"] = ""  # it has none
    os.environ["PREFECT_API_URL"] = url
    if "prefect" in sys.modules:  # it has read the environment already
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
    return started


def _do_not_wait_for_heartbeats() -> None:
    """Save the second that Prefect waits at the end of each flow for a thread that sleeps."""
    from prefect import flow_engine

    send_heartbeats: Any = flow_engine._send_heartbeats
    send_heartbeats.__wrapped__.__defaults__ = (False,)  # `join_on_exit`


def _prefect_has_a_server() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.settings import get_current_settings

    return bool(get_current_settings().api.url)


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
