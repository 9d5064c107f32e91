"""A function in a process of its own: its result or error comes back; it ends with its caller."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from headlines.compute.run_in_subprocess import run_in_subprocess
from headlines.errors import InputError
from headlines.storage.layout import validate_name


def test_results_and_errors_come_back() -> None:
    assert run_in_subprocess(os.getpid) != os.getpid()
    with pytest.raises(InputError, match="cannot be a preset name"):
        run_in_subprocess(validate_name, "../x", "preset name")


CALLER = """
import os, time
from headlines.compute.run_in_subprocess import run_in_subprocess
def work():
    print(os.getpid(), flush=True)
    time.sleep(600)
run_in_subprocess(work)
"""


def test_the_process_ends_when_its_caller_is_killed() -> None:
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert caller.stdout is not None
    worker = os.pidfd_open(int(caller.stdout.readline()))
    caller.kill()
    caller.wait()
    assert select.select([worker], [], [], 30)[0]  # readable once it has ended
    os.close(worker)
    caller.stdout.close()
