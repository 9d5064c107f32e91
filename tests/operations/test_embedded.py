"""The server of a single run ends with the run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from headlines.errors import InputError
from operations import embedded
from operations.instance import PrefectInstance

pytestmark = pytest.mark.integration

RUN = """
import signal, sys
from operations import embedded
from operations.instance import PrefectInstance
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` has it ignored
print(embedded.start(PrefectInstance(sys.argv[1], 4200)).process.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def run_with_server(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", psutil.Process]]:
    """A process that has started a server, and the server."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        yield run, psutil.Process(int(run.stdout.readline()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_server_ends_with_its_run(tmp_path: Path, number: signal.Signals) -> None:
    with run_with_server(tmp_path) as (run, server):
        run.send_signal(number)
        assert run.wait() == -number
        assert not psutil.wait_procs([server], timeout=60)[1]


def test_ctrl_c_in_a_terminal_is_not_for_the_server(tmp_path: Path) -> None:
    with run_with_server(tmp_path) as (run, server):
        assert os.getpgid(server.pid) != os.getpgid(run.pid)
        assert run.stdin is not None
        run.stdin.close()  # the run ends by itself
        assert run.wait() == 0
        assert not psutil.wait_procs([server], timeout=60)[1]


def test_a_server_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////proc/no.db")
    server = embedded.start(PrefectInstance(str(tmp_path), 4200))
    with pytest.raises(InputError, match=r"does not answer \(.*unable to open database file"):
        server.wait_until_ready()
    server.stop()
