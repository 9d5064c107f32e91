"""The Prefect server of a single run, which ends with the run, whatever ends that.

Prefect can start one by itself, but in the process group of the run: Ctrl-C in a terminal would
end it before the run can report that it was interrupted, and a killed run would leave it running.
"""

import atexit
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace

from headlines.errors import InputError
from operations.instance import PROJECT, PrefectInstance
from operations.processes import last_error
from operations.startup import garbage_collector_paused

NAME = "embedded-server"
_START_SECONDS = 120
_STOP_SECONDS = 5
_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",  # as Prefect starts its own
    "PREFECT__SERVER_FINAL": "1",
}


@dataclass(frozen=True)
class EmbeddedServer:
    """A server that was started for this process.

    Attributes:
        instance: with the port that it listens on.
        process: its process; it ends when its standard input is closed.
    """

    instance: PrefectInstance
    process: "subprocess.Popen[bytes]"

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            InputError: it has ended, or does not answer in time; its log's last error is quoted.
        """
        port = self.instance.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/api/health")  # waits in the socket until it is served
            if json.load(connection.getresponse()) is True:
                return
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        log = self.instance.logs / f"{NAME}.log"
        raise InputError(
            f"Prefect's embedded server does not answer{last_error(log)}", str(log), "read the log"
        )

    def stop(self) -> None:
        """Stop it, and kill it if it does not end in time."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(instance: PrefectInstance) -> EmbeddedServer:
    """Start a server on a free port, without waiting for it; it is stopped when Python exits."""
    instance.logs.mkdir(parents=True, exist_ok=True)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        (instance.logs / f"{NAME}.log").open("ab") as log,
    ):
        own = replace(instance, port=listening.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "operations.embedded", str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            env=own.environment() | _ENVIRONMENT,
            cwd=PROJECT,
            start_new_session=True,
        )
    server = EmbeddedServer(own, process)
    atexit.register(server.stop)
    return server


def main() -> None:
    """Serve on the listening socket whose number is the argument, until standard input ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with garbage_collector_paused():
        import uvicorn

        from operations.sqlite import fix_sqlite

        fix_sqlite()
        from prefect.server.api.server import create_app

        app = create_app()
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=2)
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        uvicorn.Server(config).run(sockets=[listening])


def _end_with_parent() -> None:
    """End this process when the one that started it closes our standard input, or is gone."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
