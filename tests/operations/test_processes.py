"""Processes that outlive the command that started them."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from headlines.errors import InputError
from operations import processes
from operations.instance import PrefectInstance

SLEEPING = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def place(tmp_path: Path) -> PrefectInstance:
    return PrefectInstance(tmp_path, tmp_path / ".prefect", 4200)


def wait_until_up(place: PrefectInstance, started: processes.ProcessRecord) -> None:
    log = place.logs / "one.log"
    processes.wait_until(place, "one", started, 60, lambda: "up" in log.read_text())


@pytest.mark.parametrize("command", [SLEEPING, STUBBORN])
def test_what_was_started_runs_until_it_is_stopped(
    place: PrefectInstance, command: list[str]
) -> None:
    assert processes.running(place, "one") is None
    started = processes.start(place, "one", command, os.environ)
    wait_until_up(place, started)
    assert processes.running(place, "one") == started
    assert processes.stop(place, "one", 1)
    assert not started.alive
    assert processes.running(place, "one") is None
    assert not processes.stop(place, "one", 1)


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot": "another boot"}])
def test_another_process_of_the_same_id_is_not_taken_for_ours(
    place: PrefectInstance, change: dict[str, object]
) -> None:
    started = processes.start(place, "one", SLEEPING, os.environ)
    wait_until_up(place, started)
    file = place.state / "one.json"
    ours = file.read_text(encoding="utf-8")
    file.write_text(json.dumps(asdict(started) | change), encoding="utf-8")
    assert processes.running(place, "one") is None
    assert not processes.stop(place, "one", 1)
    assert started.alive
    file.write_text(ours, encoding="utf-8")
    assert processes.stop(place, "one", 10)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_a_damaged_file_is_no_process(place: PrefectInstance, content: str) -> None:
    place.state.mkdir(parents=True)
    (place.state / "one.json").write_text(content, encoding="utf-8")
    assert processes.running(place, "one") is None
    assert not processes.stop(place, "one", 1)


def test_a_process_that_ends_at_once_is_told_with_its_last_words(place: PrefectInstance) -> None:
    command = [sys.executable, "-c", "print('first'); raise SystemExit('no such table')"]
    started = processes.start(place, "one", command, os.environ)
    with pytest.raises(InputError, match=r"the one has ended \(last line: no such table\)"):
        processes.wait_until(place, "one", started, 60, lambda: False)


def test_a_process_that_does_not_get_ready_is_told(place: PrefectInstance) -> None:
    started = processes.start(place, "one", SLEEPING, os.environ)
    with pytest.raises(InputError, match="is not ready after 0 s"):
        processes.wait_until(place, "one", started, 0, lambda: False)
    processes.stop(place, "one", 10)


@pytest.mark.parametrize("port", ["0", "80", "70000", "x", "４２００", "-1"])
def test_a_bad_port_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("HEADLINES_PORT", port)
    with pytest.raises(InputError, match="is not a port"):
        PrefectInstance.from_environment()
