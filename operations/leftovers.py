"""Servers and workers of a data root that have outlived what started them."""

from pathlib import Path

import psutil

from headlines.errors import InputError
from operations import processes, server, worker
from operations.instance import PrefectInstance

_INIT = 1


def check_leftovers(instance: PrefectInstance) -> str:
    """Whether every server and worker of the data root belongs to a run, to `up` or to a service.

    Raises:
        InputError: some do not; the message names them.
    """
    kept = {
        record.pid
        for name in (server.NAME, worker.NAME)
        if (record := processes.running(instance, name))
    }
    left = {
        process.pid: kind
        for process in psutil.process_iter()
        if (kind := _kind(process, instance)) and process.pid not in kept and _is_orphan(process)
    }
    if left:
        names = ", ".join(f"{kind} {pid}" for pid, kind in left.items())
        raise InputError(
            f"left behind by something that has ended: {names}",
            str(instance.home),
            f"end them: kill {' '.join(map(str, left))}",
        )
    return "no server or worker is left behind"


def _kind(process: psutil.Process, instance: PrefectInstance) -> str | None:
    """What it does for the data root; None if it is something else, or another user's."""
    try:
        command = process.cmdline()
        if "operations.embedded" in command or "prefect.server.api.server:create_app" in command:
            kind = "embedded server"
        elif "operations.serve" in command:
            kind = "server"
        elif "worker" in command and worker.POOL in command:
            kind = "worker"
        else:
            return None
        return kind if process.environ().get("PREFECT_HOME") == str(instance.home) else None
    except psutil.Error:
        return None


def _is_orphan(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
        cgroup = Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8")
    except (psutil.Error, OSError):
        return False
    service = "headlines" in cgroup.rpartition("/")[2]  # its unit, as docs/operations.md names it
    return not service and (parent is None or parent.pid == _INIT or parent.name() == "systemd")
