"""`headlines up` that fails halfway, and a server that can no longer write."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from operations import processes
from operations.instance import PROJECT
from tests.operations.conftest import Service, service_in, stopped_at_end

pytestmark = pytest.mark.integration

# `headlines up` of a project whose work pool, deployments or worker are broken.
BROKEN_POOL = """
from headlines.errors import InputError
from operations import deployments
def refuse():
    raise InputError("refused", "the work pool", "try again")
deployments.create_work_pool = refuse
"""
BROKEN_DEPLOYMENTS = """
from pathlib import Path
from operations import deployments
deployments.FILE = Path(sys.argv[1])
deployments.PROJECT = deployments.FILE.parent
"""
BROKEN_WORKER = """
from operations import processes
start = processes.start
def start_broken(instance, name, command, environment):
    if name == "worker":
        command = [sys.executable, "-c", "raise ValueError('broken')"]
    return start(instance, name, command, environment)
processes.start = start_broken
"""


def up_with(service: Service, broken: str, *arguments: str) -> str:
    """Run `headlines up` with something broken, which must fail; return the message."""
    program = f"import sys, flows\n{broken}\nfrom flows.cli.commands import main\nmain(['up'])"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=PROJECT,
        env=service.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    return done.stderr


def test_an_up_that_failed_halfway_is_completed_by_the_next(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    wrong = tmp_path / "prefect.yaml"
    wrong.write_text("deployments: [{name: wrong, entrypoint: nothing.py:nothing}]")
    with stopped_at_end(service):
        assert "the work pool: refused" in up_with(service, BROKEN_POOL)
        status = service.headlines("status")
        assert (status.returncode, status.stderr) == (1, "")
        assert "nightly is not deployed" in status.stdout
        assert "no worker polls the work pool headlines; run `make up`" in status.stdout
        message = up_with(service, BROKEN_DEPLOYMENTS, str(wrong))
        assert message.startswith(f"headlines: {wrong}: Prefect rejected the deployments")
        assert "the server is running, and `make down` stops it" in message
        message = up_with(service, BROKEN_WORKER)
        assert "the worker has ended (ValueError: broken)" in message
        assert "the server is running, and `make down` stops it" in message
        done = service.headlines("up")
        assert done.returncode == 0, done.stderr
        assert "server: already running" in done.stdout
        assert "worker: started" in done.stdout


def test_a_server_that_cannot_write_is_named(service: Service, corpus_file: Path) -> None:
    server = processes.running(service.instance, "server")
    assert server is not None
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        done = service.headlines("ingest", str(corpus_file), "--name", "other")
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "the Prefect server answers 500 Internal Server Error; see its disk" in line
    assert str(service.instance.logs) in line
    done = service.headlines("ingest", str(corpus_file), "--name", "other")
    assert done.returncode == 0, done.stderr
