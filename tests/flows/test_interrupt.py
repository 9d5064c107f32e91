"""Ctrl-C ends a run at once, whatever it waits for, and its server knows."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from flows.local_run import INTERRUPTED
from headlines.corpus.ingest import ingest
from headlines.models import champion
from headlines.storage.data_root import DataRoot
from tests.factories import publish_model, write_batch, write_corpus

pytestmark = pytest.mark.integration

# The flow of that name, whose chunks never end.
ENDLESS = """
import sys, threading
import flows
from headlines.scoring import score_chunks

def hang(job):
    print("scoring", flush=True)
    threading.Event().wait()

score_chunks.score_on_worker = hang
from flows.local_run import run_flow
run_flow(sys.argv[1], sys.argv[2:] if sys.argv[1] == "score" else sys.argv[2])
"""


@pytest.fixture
def batch(root: DataRoot, tmp_path: Path) -> Path:
    """A batch in the inbox of a data root with a champion and a corpus."""
    publish_model(root, "2026-11-20-00000000")
    champion.promote(root, "2026-11-20-00000000", "a test")
    ingest(root, "news", str(write_corpus(tmp_path / "news.csv")))
    return write_batch(root.store.path(root.inbox) / "a.csv", ["天气晴"])


def run_states(root: DataRoot) -> set[str]:
    """The states of all flow runs in the database of the data root's Prefect."""
    with sqlite3.connect(root.store.directory / ".prefect" / "prefect.db") as database:
        return {state for (state,) in database.execute("SELECT state_type FROM flow_run")}


@contextmanager
def endless_run(root: DataRoot, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A run without a persistent server, in a chunk that never ends."""
    environment = os.environ | {"PREFECT_HOME": str(root.store.directory / ".prefect")}
    environment.pop("PREFECT_API_URL", None)
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "scoring\n"
        yield run


@pytest.mark.parametrize("flow", ["score", "nightly"])
def test_ctrl_c_ends_a_run_that_would_not_end(root: DataRoot, batch: Path, flow: str) -> None:
    with endless_run(root, flow, str(batch) if flow == "score" else "news") as run:
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        _, errors = run.communicate()
    assert run.returncode == INTERRUPTED, errors
    lines = [line for line in errors.splitlines() if line.startswith("headlines:")]
    assert lines[0].startswith("headlines: interrupted; reporting to the server")
    assert lines[1:] == ["headlines: interrupted; the next run continues from what is finished"]
    assert run_states(root) == {"CRASHED"}
    assert not root.store.list_documents(root.nightly_reports, ".html")
    assert root.store.manifest(root.failure_of("a.csv")) is None


def test_ctrl_c_does_not_wait_for_a_server_that_hangs(root: DataRoot, batch: Path) -> None:
    with endless_run(root, "score", str(batch)) as run:
        [server] = psutil.Process(run.pid).children()
        server.suspend()
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait() == INTERRUPTED
        server.kill()
