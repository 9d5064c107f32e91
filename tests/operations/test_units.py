"""The systemd units of docs/operations.md start the same programs as `make up`."""

import configparser

import pytest

from operations.instance import HEARTBEAT_SECONDS, PROJECT
from operations.worker import POOL

UNITS = PROJECT / "docs" / "systemd"


def unit(name: str) -> tuple[str, dict[str, str]]:
    """The command and the environment of a unit."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = (UNITS / f"headlines-{name}.service").read_text(encoding="utf-8")
    parser.read_string(text)
    lines = [line for line in text.splitlines() if line.startswith("Environment=")]
    environment = dict(line.removeprefix("Environment=").split("=", 1) for line in lines)
    return parser["Service"]["ExecStart"], environment


def test_the_server_is_on_loopback() -> None:
    command, _ = unit("server")
    assert command.endswith(".venv/bin/python -m operations.serve --host 127.0.0.1 --port 4200")


def test_the_worker_serves_the_pool_and_sends_heartbeats() -> None:
    command, environment = unit("worker")
    assert f" worker start --pool {POOL} --type process " in command
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)


@pytest.mark.parametrize("name", ["server", "worker"])
def test_both_use_the_same_home_and_server(name: str) -> None:
    _, environment = unit(name)
    assert environment["PREFECT_HOME"] == f"{environment['HEADLINES_DATA']}/.prefect"
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
