"""The work pool, and the deployments of `prefect.yaml`, on the server."""

import contextlib
import subprocess
import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from headlines.errors import InputError
from operations.instance import PROJECT, PrefectInstance
from operations.worker import POOL

FILE = PROJECT / "prefect.yaml"


def create_work_pool() -> None:
    """Create the work pool that the deployments name, unless it exists."""
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def deploy(instance: PrefectInstance) -> None:
    """Create or update every deployment of `prefect.yaml`.

    Raises:
        InputError: the file is missing, or Prefect rejects it.
    """
    if not FILE.is_file():
        raise InputError("there is no prefect.yaml", str(FILE), "run from a copy of the project")
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=PROJECT,
        env=instance.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise InputError(
            f"Prefect rejected the deployments ({' '.join(lines[-3:])[:300]})",
            str(FILE),
            "fix the file and run `make up` again",
        )
