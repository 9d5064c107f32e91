import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reaper import VARIABLE, processes_of


@pytest.mark.integration
@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n", "2"]], ids=["one", "two"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing(
    tmp_path: Path, number: signal.Signals, options: list[str]
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    environment = {**os.environ, "STARTED": str(started)}
    del environment[VARIABLE]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *options, "tests/left_running.py"],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        directory = started.read_text()
        try:
            assert len(processes_of(directory)) >= 3  # two of the test's, and the reaper
        finally:
            run.send_signal(number)
    deadline = time.monotonic() + 60
    while processes_of(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of(directory)
    assert not Path(directory).exists()
