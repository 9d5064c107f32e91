"""The verbs up, down, status and alerts where there is no server, or one that is amiss."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.commands import main
from flows.environment import use_running_server
from operations import processes, server
from operations.instance import PrefectInstance
from tests.operations.conftest import free_port

SLEEPING = [sys.executable, "-c", "import time; time.sleep(600)"]

Said = tuple[int, str, str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrefectInstance:
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path))
    monkeypatch.setenv("HEADLINES_PORT", str(free_port()))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return PrefectInstance.from_environment()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs the command line: exit status, standard output, standard error."""

    def run(*arguments: str) -> Said:
        status = 0
        try:
            main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def other_program() -> Iterator[subprocess.Popen[bytes]]:
    """A program that is none of ours."""
    with subprocess.Popen(SLEEPING, start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def hanging(place: PrefectInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that takes connections and never answers; the test may count them."""
    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", place.port))
        listening.listen()
        listening.setblocking(False)
        processes.start(place, "server", SLEEPING, os.environ)
        yield listening
        processes.stop(place, "server", 5)


def connections(listening: socket.socket) -> int:
    """How many were made since the last call."""
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("verb", ["up", "down", "status", "alerts"])
def test_a_bad_port_is_refused(
    place: PrefectInstance, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("HEADLINES_PORT", "80")
    status, out, err = say(verb)
    assert (status, out) == (2, "")
    assert err == "headlines: HEADLINES_PORT: '80' is not a port; use a number from 1024 to 65535\n"


def test_up_names_a_port_that_is_taken_and_starts_nothing(
    place: PrefectInstance, say: Callable[..., Said]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", place.port))
        taken.listen()
        status, out, err = say("up")
    assert (status, out) == (2, "")
    assert f"something else uses the port {place.port}" in err
    assert "HEADLINES_PORT" in err
    assert not place.state.exists()


def test_nothing_is_up(place: PrefectInstance, say: Callable[..., Said]) -> None:
    assert say("down") == (0, "worker: was not running\nserver: was not running\n", "")
    status, out, err = say("status")
    assert (status, err) == (1, "")
    assert "each run starts Prefect's embedded one (`make up`)" in out
    status, out, err = say("alerts")
    assert (status, out) == (2, "")
    assert "the server is not running; start it with `make up`" in err


def test_a_server_that_is_gone_is_told_until_down_is_said(
    place: PrefectInstance, say: Callable[..., Said]
) -> None:
    started = processes.start(place, "server", SLEEPING, os.environ)
    os.killpg(started.pid, 9)
    while started.alive:
        pass
    status, out, _ = say("status")
    assert status == 1
    assert "it was started, and is gone; `make up` starts it again" in out
    assert say("down") == (0, "worker: was not running\nserver: was not running\n", "")
    assert "embedded" in say("status")[1]


@pytest.mark.parametrize("name", ["server", "worker"])
def test_a_program_that_has_the_id_now_is_left_alone(
    place: PrefectInstance,
    say: Callable[..., Said],
    other_program: subprocess.Popen[bytes],
    name: str,
) -> None:
    ours = processes.start(place, name, SLEEPING, os.environ)
    file = place.state / f"{name}.json"
    os.killpg(ours.pid, 9)
    taken = replace(ours, pid=other_program.pid, ticks=1)
    file.write_text(json.dumps(asdict(taken)), encoding="utf-8")
    assert say("down") == (0, "worker: was not running\nserver: was not running\n", "")
    assert other_program.poll() is None
    assert not file.exists()


def test_a_server_that_does_not_answer_is_told_and_ended(
    place: PrefectInstance, hanging: socket.socket, say: Callable[..., Said]
) -> None:
    status, out, _ = say("status")
    assert status == 1
    assert f"it runs and does not answer at {place.url}" in out
    assert say("down") == (0, "worker: was not running\nserver: ended\n", "")


def test_a_server_is_asked_once_and_only_for_a_run(
    place: PrefectInstance,
    hanging: socket.socket,
    say: Callable[..., Said],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert say("--help")[0] == 0
    assert say("models")[0] == 0
    assert say("score", "no-such-file.csv")[0] == 2
    subprocess.run([sys.executable, "-c", "import flows"], check=True)
    assert connections(hanging) == 0
    use_running_server()
    assert connections(hanging) == 1
    assert f"the server at {place.url} does not answer" in caplog.text
    assert "PREFECT_API_URL" not in os.environ


def test_a_server_that_is_named_is_not_looked_for(
    hanging: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    use_running_server()
    assert connections(hanging) == 0


def test_a_server_that_is_named_and_not_there_is_told(
    place: PrefectInstance, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{place.port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with temporary_settings({PREFECT_API_URL: url}):
        status, out, err = say("status")
    assert (status, err) == (1, "")
    assert f"{url}: it cannot be reached (ConnectError)" in out
