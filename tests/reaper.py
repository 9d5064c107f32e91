"""The directory of a run of the tests, and the end of every process that the run has started.

The directory is named in its environment, which all processes that it starts inherit. A
process of its own waits for the end of the run, then kills whatever has that environment, in
whatever session or process group it is, and removes the directory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

VARIABLE = "HEADLINES_TEST_RUN"
LEAST_BYTES = 4 * 2**30


def run_directory() -> str:
    """The directory of this run, which `pytest-xdist`'s processes share; made on the first call."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="headlines-tests-", dir=_memory())
        # In a session of its own: Ctrl-C is for all processes of the terminal's.
        subprocess.Popen([sys.executable, __file__, str(os.getpid())], start_new_session=True)
    return os.environ[VARIABLE]


def _memory() -> Path | None:
    """A file system in memory, where writing to the disk costs nothing, if there is one with room.

    Prefect's database, and every artifact, is synced with each write: 5 ms each on many disks.
    """
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > LEAST_BYTES
    return memory if has_room and os.access(memory, os.W_OK) else None


def processes_of(directory: str) -> list[psutil.Process]:
    """All other processes of a run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(VARIABLE) == directory:
                found.append(process)
        except psutil.Error:
            continue  # it has just ended, or is another user's
    return found


def main() -> None:
    directory = os.environ[VARIABLE]
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        psutil.Process(int(sys.argv[1])).wait()
    while processes := processes_of(directory):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=5)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
