"""Ctrl-C in a terminal that runs `make`: the status, and what is left running."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from operations.instance import PROJECT, PrefectInstance
from tests.operations.conftest import Service, free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        Path(sys.prefix) != PROJECT / ".venv", reason="make would use another environment"
    ),
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service on an empty data root, which is not started."""
    service = Service(PrefectInstance(str(tmp_path / "data"), free_port()))
    yield service
    service.headlines("down")


@contextmanager
def make(service: Service, target: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `make` in a session of its own, as a terminal does."""
    environment = service.environment
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        del environment[name]
    with subprocess.Popen(
        ["make", target],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C; return what is printed from then on."""
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGINT  # which a shell shows as 130
    assert "Error 130" in output
    return output


def working_for(service: Service) -> list[list[str]]:
    """The commands of the processes of a data root."""
    commands = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HEADLINES_DATA") == service.instance.data_root:
                commands.append(process.cmdline())
        except psutil.Error:
            continue
    return commands


def test_ctrl_c_in_make_run_leaves_nothing_running(service: Service) -> None:
    with make(service, "run") as process:
        assert process.stdout is not None
        assert any("Beginning flow run" in line for line in process.stdout)
        output = interrupt(process)
    assert "headlines: interrupted; the next run continues from what is finished" in output
    assert "Traceback" not in output
    service.until(lambda: not working_for(service))


def test_ctrl_c_in_make_up_leaves_a_server_that_down_stops(service: Service) -> None:
    with make(service, "up") as process:
        service.until((service.instance.process_records / "server.json").exists)
        output = interrupt(process)
    assert "interrupted; run it again to go on, or `headlines down` to stop" in output
    [server] = working_for(service)
    assert "operations.serve" in server
    status = service.headlines("status")
    assert (status.returncode, status.stderr) == (1, "")
    assert service.headlines("down").stdout == "worker: was not running\nserver: stopped\n"
    assert not working_for(service)
