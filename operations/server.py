"""The persistent Prefect server of a data root, on loopback."""

import http.client
import json
import socket
import sys
from dataclasses import replace

from headlines.errors import InputError
from operations import processes
from operations.instance import PrefectInstance

NAME = "server"
_START_SECONDS = 120
_STOP_SECONDS = 15
_ANSWER_SECONDS = 20  # a busy server is no reason to start another on the same database


def start(instance: PrefectInstance) -> bool:
    """Start the server unless it is running, and wait until it answers.

    Returns:
        Whether it was started.

    Raises:
        InputError: the port is in use, or the server does not start.
    """
    if api_url_if_up(instance):
        return False
    stop(instance)  # one that is running but not answering
    _require_free_port(instance)
    command = [sys.executable, "-m", "operations.serve"]
    command += ["--host", "127.0.0.1", "--port", str(instance.port)]
    process = processes.start(instance, NAME, command, instance.environment())
    processes.wait_until_ready(
        instance, NAME, process, _START_SECONDS, lambda: _answers(instance.port)
    )
    return True


def stop(instance: PrefectInstance) -> bool:
    """Stop the server if it was started here; return whether it was running."""
    return processes.stop(instance, NAME, _STOP_SECONDS)


def api_url_if_up(instance: PrefectInstance) -> str | None:
    """The API address of this data root's server; None if it is not running or not answering."""
    process = processes.running(instance, NAME)
    if process is None or not _answers(process.port):
        return None
    return replace(instance, port=process.port).api_url  # HEADLINES_PORT may be another one now


def is_running(instance: PrefectInstance) -> bool:
    """Whether its process is running, though it may not answer."""
    return processes.running(instance, NAME) is not None


def _require_free_port(instance: PrefectInstance) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", instance.port))
        except OSError as error:
            raise InputError(
                f"port {instance.port} is in use",
                instance.url,
                "stop the program that uses it, or choose another port with HEADLINES_PORT",
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
