"""Servers that nothing started any more are named; all others are left in peace."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from headlines.errors import InputError
from operations import processes
from operations.instance import PrefectInstance
from operations.leftovers import check_leftovers

# A process that looks like a server, started by one that ends at once.
ORPHAN = """
import subprocess, sys
command = [sys.executable, "-c", "import time; time.sleep(600)", "operations.embedded"]
print(subprocess.Popen(command, start_new_session=True, stdout=-3, stderr=-3).pid)
"""
SERVING = [sys.executable, "-c", "import time; time.sleep(600)", "operations.serve"]


@pytest.fixture
def instance(tmp_path: Path) -> PrefectInstance:
    return PrefectInstance(str(tmp_path), 4200)


def test_an_orphaned_server_is_named_until_it_ends(instance: PrefectInstance) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN],
        env=instance.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    orphan = psutil.Process(int(done.stdout))
    try:
        if orphan.ppid() != 1:
            pytest.skip("another process than init adopts orphans here")
        with pytest.raises(InputError, match=f"embedded server {orphan.pid}; end them: kill"):
            check_leftovers(instance)
        other = PrefectInstance(f"{instance.data_root}-other", 4200)
        assert check_leftovers(other) == "no server or worker is left behind"
    finally:
        orphan.kill()
        psutil.wait_procs([orphan])
    assert check_leftovers(instance) == "no server or worker is left behind"


def test_a_recorded_server_is_not_left_behind(instance: PrefectInstance) -> None:
    processes.start(instance, "server", SERVING, instance.environment())
    assert check_leftovers(instance) == "no server or worker is left behind"
    processes.stop(instance, "server", 5)
