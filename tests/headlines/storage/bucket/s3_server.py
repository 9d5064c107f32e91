"""Moto's S3 server on loopback, as a process of its own: prints its port and serves until killed.

It answers one request at a time, as Moto looks at the condition of a write and writes in two steps.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
_one_at_a_time = threading.Lock()
_moto = DomainDispatcherApplication(create_backend_app)


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    with _one_at_a_time:
        return list(_moto(environ, start_response))


class _KeepingAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, _application, threaded=True, request_handler=_KeepingAlive)
    print(server.server_port, flush=True)
    server.serve_forever()
