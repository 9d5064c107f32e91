"""Not collected: a test that `test_reaper` interrupts, with processes that outlive it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.reaper import VARIABLE

SLEEP = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"


def test_waits_to_be_interrupted() -> None:
    subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    subprocess.run([sys.executable, "-c", ORPHAN], check=True, start_new_session=True)
    Path(os.environ["STARTED"]).write_text(os.environ[VARIABLE])
    signal.pause()
