"""Processes that outlive the command that started them, each known by a file.

The file holds the process's id, when it was started and in which boot of the machine: an id that
the system has given to another process since is not taken for ours.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from headlines.errors import InputError
from operations.instance import PrefectInstance

_POLL_SECONDS = 0.1
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessRecord:
    """A process that was started.

    Attributes:
        pid: its id, and that of its process group.
        ticks: when, in the kernel's clock ticks since the machine was booted.
        boot: id of that boot.
        port: of the server that it is, or that it works for.
    """

    pid: int
    ticks: int
    boot: str
    port: int

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return _ticks_of(self.pid) == self.ticks and _boot() == self.boot


def start(
    place: PrefectInstance, name: str, command: Sequence[str], environment: Mapping[str, str]
) -> ProcessRecord:
    """Start a process in a session of its own; what it writes goes to `<name>.log`."""
    place.state.mkdir(parents=True, exist_ok=True)
    place.logs.mkdir(parents=True, exist_ok=True)
    with (place.logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            cwd=environment.get("PWD"),
            start_new_session=True,
        )
    ticks = _ticks_of(process.pid)
    started = ProcessRecord(process.pid, ticks or 0, _boot(), place.port)
    draft = _file(place, name).with_suffix(".draft")
    draft.write_text(json.dumps(asdict(started)) + "\n", encoding="utf-8")
    draft.replace(_file(place, name))
    return started


def running(place: PrefectInstance, name: str) -> ProcessRecord | None:
    """The process of that name, if one was started and still runs."""
    try:
        started = ProcessRecord(**json.loads(_file(place, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return started if started.alive else None


def was_recorded(place: PrefectInstance, name: str) -> bool:
    """Whether a process of that name was started and not stopped, though it may be gone."""
    return _file(place, name).exists()


def stop(place: PrefectInstance, name: str, seconds: float) -> bool:
    """End a process and its group: asked at first, killed after `seconds`.

    Returns:
        Whether one was running.
    """
    started = running(place, name)
    if started is not None:
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(started.pid, number)
            except ProcessLookupError:
                break
            if _within(patience, lambda: not started.alive):
                break
    _file(place, name).unlink(missing_ok=True)
    return started is not None


def wait_until(
    place: PrefectInstance,
    name: str,
    started: ProcessRecord,
    seconds: float,
    ready: Callable[[], bool],
) -> None:
    """Wait until a process that was started does its work.

    Raises:
        InputError: it has ended, or is not ready after `seconds`; its last words are told.
    """
    done = _within(seconds, lambda: not started.alive or ready())
    if done and started.alive:
        return
    log = place.logs / f"{name}.log"
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
    said = f" (last line: {last[0].strip()[:200]})" if last else ""
    what = f"is not ready after {seconds:.0f} s" if started.alive else "has ended"
    raise InputError(
        f"the {name} {what}{said}", str(log), "see the log, then `make down` and again"
    )


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _file(place: PrefectInstance, name: str) -> Path:
    return place.state / f"{name}.json"


def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()


def _ticks_of(pid: int) -> int | None:
    """When a process was started; None where there is none of that id, or it has just ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(fields[18])  # field 22 of proc(5); the state is field 3
