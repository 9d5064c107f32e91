"""The commands up, down, status and alerts where the server is off or not working."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import pytest
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import connection
from flows.cli.commands import main
from headlines.settings import Settings
from operations import embedded, processes, server
from operations.embedded import EmbeddedServer
from operations.instance import PrefectInstance
from tests.operations.conftest import free_port

SLEEPING = [sys.executable, "-c", "import time; time.sleep(600)"]

Output = tuple[int, str, str]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefectInstance]:
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path))
    monkeypatch.setenv("HEADLINES_PORT", str(free_port()))
    for name in ("PREFECT_API_URL", "PREFECT_UI_URL"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    yield PrefectInstance.from_settings(Settings.from_environment())
    monkeypatch.undo()
    refresh_global_settings_context()


@pytest.fixture
def headlines(capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    """Runs the command line: exit status, standard output, standard error."""

    def run(*arguments: str) -> Output:
        status = 0
        try:
            main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


@pytest.fixture
def other_program() -> Iterator[subprocess.Popen[bytes]]:
    """A program that was not started by `headlines up`."""
    with subprocess.Popen(SLEEPING, start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def hanging(instance: PrefectInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that accepts connections and never answers; tests count them."""
    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", instance.port))
        listening.listen()
        listening.setblocking(False)
        processes.start(instance, "server", SLEEPING, os.environ)
        yield listening
        processes.stop(instance, "server", 5)


def count_connections(listening: socket.socket) -> int:
    """How many connections were made since the last call."""
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("verb", ["up", "down", "status", "alerts"])
def test_an_invalid_port_is_rejected(
    instance: PrefectInstance,
    headlines: Callable[..., Output],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    monkeypatch.setenv("HEADLINES_PORT", "80")
    status, out, err = headlines(verb)
    assert (status, out) == (2, "")
    assert err == "headlines: HEADLINES_PORT: '80' is not a port; use a number from 1024 to 65535\n"


def test_up_names_a_port_in_use_and_starts_nothing(
    instance: PrefectInstance, headlines: Callable[..., Output]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", instance.port))
        taken.listen()
        status, out, err = headlines("up")
    assert (status, out) == (2, "")
    assert f"port {instance.port} is in use" in err
    assert "HEADLINES_PORT" in err
    assert not instance.process_records.exists()


def test_status_and_alerts_without_a_server(
    instance: PrefectInstance, headlines: Callable[..., Output]
) -> None:
    assert headlines("down") == (0, "worker: was not running\nserver: was not running\n", "")
    status, out, err = headlines("status")
    assert (status, err) == (1, "")
    assert "each run starts Prefect's embedded server" in out
    status, out, err = headlines("alerts")
    assert (status, out) == (2, "")
    assert "the server is not running; start it with `make up`" in err


def test_status_reports_an_ended_server_until_down(
    instance: PrefectInstance, headlines: Callable[..., Output]
) -> None:
    started = processes.start(instance, "server", SLEEPING, os.environ)
    os.killpg(started.pid, 9)
    while started.alive:
        pass
    status, out, _ = headlines("status")
    assert status == 1
    assert "no longer running; start it again with `make up`" in out
    assert headlines("down") == (0, "worker: was not running\nserver: was not running\n", "")
    assert "embedded" in headlines("status")[1]


@pytest.mark.parametrize("name", ["server", "worker"])
def test_down_leaves_another_process_of_the_same_id(
    instance: PrefectInstance,
    headlines: Callable[..., Output],
    other_program: subprocess.Popen[bytes],
    name: str,
) -> None:
    ours = processes.start(instance, name, SLEEPING, os.environ)
    file = instance.process_records / f"{name}.json"
    os.killpg(ours.pid, 9)
    taken = replace(ours, pid=other_program.pid, ticks=1)
    file.write_text(json.dumps(asdict(taken)), encoding="utf-8")
    assert headlines("down") == (0, "worker: was not running\nserver: was not running\n", "")
    assert other_program.poll() is None
    assert not file.exists()


def test_a_server_that_does_not_answer_is_stopped(
    instance: PrefectInstance, hanging: socket.socket, headlines: Callable[..., Output]
) -> None:
    status, out, _ = headlines("status")
    assert status == 1
    assert f"running but not answering at {instance.url}" in out
    assert headlines("down") == (0, "worker: was not running\nserver: stopped\n", "")


def test_the_server_is_asked_once_and_only_for_a_run(
    instance: PrefectInstance,
    hanging: socket.socket,
    headlines: Callable[..., Output],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    started = EmbeddedServer(replace(instance, port=1), cast("subprocess.Popen[bytes]", None))
    monkeypatch.setattr(embedded, "start", lambda _: started)
    assert headlines("--help")[0] == 0
    assert headlines("models")[0] == 0
    assert headlines("score", "no-such-file.csv")[0] == 2
    subprocess.run([sys.executable, "-c", "import flows"], check=True)
    assert count_connections(hanging) == 0
    connection.connect()
    assert count_connections(hanging) == 1
    assert f"the server at {instance.url} does not answer" in caplog.text
    assert os.environ["PREFECT_API_URL"] == started.instance.api_url


def test_a_named_server_replaces_the_own_one(
    hanging: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert connection.connect() is None
    assert count_connections(hanging) == 0


def test_status_reports_a_named_server_that_is_down(
    instance: PrefectInstance, headlines: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{instance.port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with temporary_settings({PREFECT_API_URL: url}):
        status, out, err = headlines("status")
    assert (status, err) == (1, "")
    assert f"PREFECT_API_URL={url}: the server cannot be reached (ConnectError)" in out


@pytest.mark.integration
def test_a_run_names_the_variable_of_a_server_that_is_down(
    instance: PrefectInstance, corpus_file: Path
) -> None:
    url = f"http://127.0.0.1:{instance.port}/api"
    done = subprocess.run(
        [sys.executable, "-m", "flows", "ingest", str(corpus_file)],
        env=os.environ | {"PREFECT_API_URL": url},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"headlines: PREFECT_API_URL={url}: no Prefect server answers; start" in done.stderr
