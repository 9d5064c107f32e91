"""An HTTP proxy on loopback before a store, which counts requests and fails some on command."""

import http.client
import os
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"
REFUSED = "<Error><Code>{}</Code><AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId></Error>"

# What may become of a request.
PASS = "pass"
FAIL_500 = "500"
FAIL_503 = "503"
RESET_BEFORE = "reset before"  # the store never hears of it
RESET_AFTER = "reset after"  # the store has done it, and the answer is lost
CUT = "cut"  # the answer ends in the middle of its body
FAIL_AFTER = "500 after"  # the store has done it, and a gateway says it has not
STALL = "stall"  # the connection stays open, and nothing comes
FAULTS = (FAIL_500, FAIL_503, RESET_BEFORE, RESET_AFTER, CUT, FAIL_AFTER)

Choose = Callable[[str, str], str]
"""Given method and path of a request, what happens to it: one of the above, or an error code
that the store is to refuse it with."""


def at_random(seed: int, share: float) -> Choose:
    """Let that share of requests fail, in one of all ways, the same ones for the same seed."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def choose(_method: str, _path: str) -> str:
        with lock:
            return chance.choice(FAULTS) if chance.random() < share else PASS

    return choose


def first(method: str, pattern: str, fault: str, times: int = 1) -> Choose:
    """Let the first requests of that method, to a path that holds the pattern, fail."""
    left = [times]
    lock = threading.Lock()

    def choose(used: str, path: str) -> str:
        with lock:
            if used == method and re.search(pattern, path) and left[0]:
                left[0] -= 1
                return fault
        return PASS

    return choose


class FaultyProxy:
    """The proxy.

    Attributes:
        url: its address.
        choose: what becomes of each request.
        counts: requests by method, and by what became of them.
        heeds_conditions: whether conditions of writes reach the store.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.choose: Choose = lambda _method, _path: PASS
        self.counts: Counter[str] = Counter()
        self.heeds_conditions = True
        self.ended = threading.Event()


def without_conditions(
    method: str, path: str, body: bytes, headers: dict[str, str]
) -> dict[str, str]:
    """The headers of a request that sets no conditions, signed again: they were signed too."""
    kept = {n.lower(): v for n, v in headers.items() if not n.lower().startswith("if-")}
    del kept["authorization"]
    request = AWSRequest(method, f"http://{kept['host']}{path}", kept, body)
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(keys, "s3", os.environ["AWS_REGION"]).add_auth(request)
    return dict(request.headers.items())


@contextmanager
def proxied(store: str) -> Iterator[FaultyProxy]:
    """A proxy before the store of that address."""
    host = store.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.choose(self.command, self.path)
            proxy.counts[self.command] += 1
            proxy.counts[fault] += 1
            if fault == FAIL_500:
                self.answer(500, b"<Error><Code>InternalError</Code></Error>")
            elif fault == FAIL_503:
                self.answer(503, SLOW_DOWN.encode())
            elif fault == RESET_BEFORE:
                self.hang_up()
            elif fault == STALL:
                proxy.ended.wait()
                self.hang_up()
            elif fault not in (PASS, RESET_AFTER, CUT, FAIL_AFTER):
                self.answer(403, REFUSED.format(fault).encode())
            else:
                self.pass_on(fault, body)

        def pass_on(self, fault: str, body: bytes) -> None:
            headers = dict(self.headers.items())
            if not proxy.heeds_conditions:
                headers = without_conditions(self.command, self.path, body, headers)
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, headers)
            with connection.getresponse() as response:
                content = response.read()
            connection.close()
            if fault == FAIL_AFTER:
                self.answer(500, b"<Error><Code>InternalError</Code></Error>")
                return
            if fault == RESET_AFTER:
                self.hang_up()
                return
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("date", "server", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            if not response.getheader("Content-Length") and self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault == CUT else content)
            if fault == CUT:
                self.hang_up()

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def hang_up(self) -> None:
            self.close_connection = True
            self.connection.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that has hung up is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy = FaultyProxy(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.ended.set()
            server.shutdown()
            thread.join()
