"""Background processes, and the files that record them."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
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
def instance(tmp_path: Path) -> PrefectInstance:
    return PrefectInstance(str(tmp_path), 4200)


def wait_until_up(instance: PrefectInstance, process: processes.ProcessRecord) -> None:
    log = instance.logs / "test.log"
    processes.wait_until_ready(instance, "test", process, 60, lambda: "up" in log.read_text())


@pytest.mark.parametrize("command", [SLEEPING, STUBBORN])
def test_a_process_runs_until_it_is_stopped(instance: PrefectInstance, command: list[str]) -> None:
    assert processes.running(instance, "test") is None
    process = processes.start(instance, "test", command, os.environ)
    wait_until_up(instance, process)
    assert processes.running(instance, "test") == process
    assert processes.stop(instance, "test", 1)
    assert not process.alive
    assert processes.running(instance, "test") is None
    assert not processes.stop(instance, "test", 1)


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot": "another boot"}])
def test_another_process_of_the_same_id_is_not_stopped(
    instance: PrefectInstance, change: dict[str, object]
) -> None:
    process = processes.start(instance, "test", SLEEPING, os.environ)
    wait_until_up(instance, process)
    file = instance.process_records / "test.json"
    original = file.read_text(encoding="utf-8")
    file.write_text(json.dumps(asdict(process) | change), encoding="utf-8")
    assert processes.running(instance, "test") is None
    assert not processes.stop(instance, "test", 1)
    assert process.alive
    file.write_text(original, encoding="utf-8")
    assert processes.stop(instance, "test", 10)


def test_the_start_time_is_the_one_of_the_kernel(instance: PrefectInstance) -> None:
    process = processes.start(instance, "test", SLEEPING, os.environ)
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    assert process.ticks == int(fields[19])  # field 22 of proc(5), the first one here is field 3
    assert processes.stop(instance, "test", 10)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}']
    + [f'{{"pid": {pid}, "ticks": 1, "boot": "", "port": 1}}' for pid in ('"x"', "-1", "null")],
)
def test_a_corrupt_record_is_no_process(instance: PrefectInstance, content: str) -> None:
    instance.process_records.mkdir(parents=True)
    (instance.process_records / "test.json").write_text(content, encoding="utf-8")
    assert processes.running(instance, "test") is None
    assert not processes.stop(instance, "test", 1)


@pytest.mark.parametrize(
    ("program", "quoted"),
    [
        ("print('first'); raise SystemExit('no such table')", "no such table"),
        ("print('db.Error: disk is full\\nERROR: Application startup failed.')", "disk is full"),
    ],
)
def test_the_log_of_an_ended_process_is_quoted(
    instance: PrefectInstance, program: str, quoted: str
) -> None:
    command = [sys.executable, "-c", program]
    process = processes.start(instance, "test", command, os.environ)
    with pytest.raises(InputError, match=rf"the test has ended \(.*{quoted}\)"):
        processes.wait_until_ready(instance, "test", process, 60, lambda: False)


def test_a_process_that_cannot_be_recorded_is_ended(instance: PrefectInstance) -> None:
    instance.process_records.parent.mkdir(parents=True)
    instance.process_records.write_text("a file in place of the folder", encoding="utf-8")
    with pytest.raises(FileExistsError):
        processes.start(instance, "test", SLEEPING, os.environ)
    assert SLEEPING not in [child.cmdline() for child in psutil.Process().children()]


def test_a_process_that_does_not_get_ready_is_an_error(instance: PrefectInstance) -> None:
    process = processes.start(instance, "test", SLEEPING, os.environ)
    with pytest.raises(InputError, match="is not ready after 0 s"):
        processes.wait_until_ready(instance, "test", process, 0, lambda: False)
    processes.stop(instance, "test", 10)
