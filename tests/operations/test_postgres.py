"""The server on PostgreSQL, as a team would run it."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.conftest import free_port, service_in, stopped_at_end

pytestmark = [pytest.mark.integration, pytest.mark.postgres]


def programs() -> Path:
    """The directory of PostgreSQL's programs."""
    initdb = shutil.which("initdb")
    directories = [Path(initdb).parent] if initdb else []
    directories += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not directories:
        pytest.skip("PostgreSQL is not installed")
    return directories[0]


def as_postgres_user() -> list[str]:
    """The prefix of commands for root, as which PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("this is root, and there is no user postgres")
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture
def database() -> Iterator[str]:
    """The address of an empty database on a PostgreSQL server of its own, on loopback."""
    bin_, user = programs(), as_postgres_user()
    directory = Path("/tmp") / f"headlines-postgres-{os.getpid()}"  # that user can reach it
    directory.mkdir(mode=0o700)
    if user:
        shutil.chown(directory, "postgres")
    port = free_port()
    data, control = directory / "data", [*user, str(bin_ / "pg_ctl"), "-D", str(directory / "data")]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={directory}"
    quietly = {"check": True, "capture_output": True, "cwd": "/"}
    try:
        subprocess.run(
            [*user, str(bin_ / "initdb"), "-D", str(data), "-U", "prefect", "-A", "trust"],
            **quietly,  # type: ignore[call-overload]
        )
        log = str(directory / "log")
        subprocess.run(
            [*control, "-w", "-l", log, "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, cwd="/")
        shutil.rmtree(directory)


def test_a_night_on_postgresql(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", database)
    service = service_in(tmp_path)
    service.batch("2026-11-20.csv", 20)
    with stopped_at_end(service):
        done = service.headlines("up")
        assert done.returncode == 0, done.stderr
        done = service.prefect(
            "deployment", "run", "nightly/nightly", "--param", "corpus=news", "--watch"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert service.root.store.open(service.root.predictions_of("2026-11-20.csv"))
        status = service.headlines("status")
        assert status.returncode == 0, status.stdout
        assert not (service.instance.home / "prefect.db").exists()
