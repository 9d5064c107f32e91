"""Background processes that outlive the command that started them, each recorded in a file.

A record holds the process's id, start time and boot, so that another process that is given the
same id later is not mistaken for it.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from headlines.errors import InputError
from headlines.storage.atomic import write_atomically
from operations.instance import PROJECT, PrefectInstance

_POLL_SECONDS = 0.1
_KILL_SECONDS = 10.0
_LAST_LINES = 8  # of a log; a server says more after its error
_ERROR = re.compile(r"[\w.]*(Error|Exception): ")  # the last line of a traceback
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessRecord:
    """A process that was started.

    Attributes:
        pid: its id, and that of its process group.
        ticks: its start time, in clock ticks since the machine was booted.
        boot: id of that boot.
        port: of the server that it is, or that it works for.
    """

    pid: int
    ticks: int
    boot: str
    port: int

    @property
    def alive(self) -> bool:
        """Whether it is still running."""
        try:
            process = psutil.Process(self.pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            return not ended and (_start_ticks(process), _boot_id()) == (self.ticks, self.boot)
        except psutil.NoSuchProcess:
            return False


def start(
    instance: PrefectInstance, name: str, command: Sequence[str], environment: Mapping[str, str]
) -> ProcessRecord:
    """Start a process in a session of its own; its output is appended to `<name>.log`."""
    instance.logs.mkdir(parents=True, exist_ok=True)
    with (instance.logs / f"{name}.log").open("ab") as log:
        process = psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=PROJECT,
            start_new_session=True,
        )
    record = ProcessRecord(process.pid, _start_ticks(process), _boot_id(), instance.port)
    content = json.dumps(asdict(record)) + "\n"
    try:
        write_atomically(instance.work, _record_file(instance, name), content.encode())
    except BaseException:  # nobody would know of it
        process.kill()
        process.wait()
        raise
    return record


def running(instance: PrefectInstance, name: str) -> ProcessRecord | None:
    """The process of that name; None if none was started or it has ended."""
    try:
        text = _record_file(instance, name).read_text(encoding="utf-8")
        record = ProcessRecord(**json.loads(text))
        return record if record.alive else None
    except (OSError, ValueError, TypeError):
        return None


def was_recorded(instance: PrefectInstance, name: str) -> bool:
    """Whether a process of that name was started and not stopped; it may have ended by itself."""
    return _record_file(instance, name).exists()


def stop(instance: PrefectInstance, name: str, seconds: float) -> bool:
    """Terminate a process and its group, and kill what is left of it after `seconds`.

    Returns:
        Whether it was running.
    """
    process = running(instance, name)
    if process is not None:
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, _KILL_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            if _wait_for(lambda: not process.alive, patience):
                break
    _record_file(instance, name).unlink(missing_ok=True)
    return process is not None


def wait_until_ready(
    instance: PrefectInstance,
    name: str,
    process: ProcessRecord,
    seconds: float,
    ready: Callable[[], bool],
) -> None:
    """Wait until a process that was started is ready for work.

    Raises:
        InputError: it has ended, or is not ready after `seconds`; its log's last error is quoted.
    """
    done = _wait_for(lambda: not process.alive or ready(), seconds)
    if done and process.alive:
        return
    log = instance.logs / f"{name}.log"
    problem = f"is not ready after {seconds:.0f} s" if process.alive else "has ended"
    raise InputError(
        f"the {name} {problem}{last_error(log)}",
        str(log),
        "read the log, run `make down` and try again",
    )


def last_error(log: Path) -> str:
    """The error that a log ends with, else its last line, to be appended to a message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    errors = [line for line in lines if _ERROR.match(line)]
    return f" ({(errors or lines)[-1].strip()[:200]})" if lines else ""


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _record_file(instance: PrefectInstance, name: str) -> Path:
    return instance.process_records / f"{name}.json"


def _boot_id() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()


def _start_ticks(process: psutil.Process) -> int:
    # The time of day at which it was started changes when the clock is set; the time since boot
    # does not.
    ticks: int = round((process.create_time() - psutil.boot_time()) * _TICKS_PER_SECOND)
    return ticks
