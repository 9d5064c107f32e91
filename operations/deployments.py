"""The work pool, and the deployments of `prefect.yaml`, on the server."""

import contextlib
import json
import subprocess
import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from headlines.errors import InputError
from headlines.hashing import json_digest
from headlines.storage.atomic import write_atomically
from operations.instance import PROJECT, PrefectInstance
from operations.worker import POOL

FILE = PROJECT / "prefect.yaml"


def create_work_pool() -> None:
    """Create the work pool that the deployments name, unless it exists."""
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def deploy(instance: PrefectInstance) -> None:
    """Create or update every deployment of `prefect.yaml`, unless they are as it was deployed.

    Raises:
        InputError: the file is missing, or Prefect rejects it.
    """
    if not FILE.is_file():
        raise InputError("there is no prefect.yaml", str(FILE), "run from a copy of the project")
    record = instance.process_records / "deployed"
    if record.is_file() and record.read_text(encoding="utf-8") == _digest():
        return
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
    write_atomically(instance.work, record, _digest().encode())


# What the server adds, and what changes while nothing is deployed.
_VOLATILE = {"updated", "last_polled", "status"}


def _digest() -> str:
    """Digest of `prefect.yaml`, of where this project is, and of the deployments on the server."""
    with get_client(sync_client=True) as client:
        deployments = client.read_deployments()
    content = [
        json.loads(deployment.model_dump_json(exclude=_VOLATILE)) for deployment in deployments
    ]
    for deployment in content:
        limit = deployment.get("global_concurrency_limit") or {}
        deployment["global_concurrency_limit"] = limit.get("limit")  # not the slots in use
    content.sort(key=lambda deployment: str(deployment["id"]))
    return json_digest([FILE.read_text(encoding="utf-8"), str(PROJECT), content])
