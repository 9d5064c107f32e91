"""The lasting Prefect server of a data root, on loopback."""

import http.client
import json
import os
import socket
import sys
from collections.abc import Mapping

from headlines.errors import InputError
from operations import processes
from operations.instance import PROJECT, PrefectInstance

NAME = "server"
_START_SECONDS = 120
_STOP_SECONDS = 15
_ANSWER_SECONDS = 20  # one that is busy is no reason to start another on the same database


def start(place: PrefectInstance) -> bool:
    """Start the server where it is not running, and wait until it answers.

    Returns:
        Whether it was started.

    Raises:
        InputError: something else uses the port, or the server does not start.
    """
    if api_url_if_up(place):
        return False
    processes.stop(place, NAME, _STOP_SECONDS)  # one that runs and does not answer
    _require_free(place)
    command = [sys.executable, "-m", "operations.serve"]
    command += ["--host", "127.0.0.1", "--port", str(place.port)]
    started = processes.start(place, NAME, command, environment(place))
    processes.wait_until(place, NAME, started, _START_SECONDS, lambda: _answers(place.port))
    return True


def stop(place: PrefectInstance) -> bool:
    """End the server, if it was started here; say whether it was running."""
    return processes.stop(place, NAME, _STOP_SECONDS)


def api_url_if_up(place: PrefectInstance) -> str | None:
    """The address of this data root's server, where it runs and answers."""
    started = processes.running(place, NAME)
    if started is None:
        return None
    return f"http://127.0.0.1:{started.port}/api" if _answers(started.port) else None


def is_running(place: PrefectInstance) -> bool:
    """Whether its process is there, though it may not answer."""
    return processes.running(place, NAME) is not None


def was_started(place: PrefectInstance) -> bool:
    """Whether it was started and not ended by `stop`."""
    return processes.was_recorded(place, NAME)


def environment(place: PrefectInstance) -> Mapping[str, str]:
    """The environment of server and worker: this data root, its Prefect home, its server."""
    return {
        **os.environ,
        "HEADLINES_DATA": str(place.data_root),
        "PREFECT_HOME": str(place.home),
        "PREFECT_API_URL": place.api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
        "PWD": str(PROJECT),
    }


def _require_free(place: PrefectInstance) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", place.port))
        except OSError as error:
            raise InputError(
                f"something else uses the port {place.port}",
                place.url,
                "end it, or choose another port with HEADLINES_PORT",
            ) from error


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/health")
        return json.load(connection.getresponse()) is True
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
