"""The deployments of `prefect.yaml` on the server: the work pool first, then all of them."""

import subprocess
import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from headlines.errors import InputError
from operations import server
from operations.instance import PROJECT, PrefectInstance
from operations.worker import POOL

FILE = PROJECT / "prefect.yaml"


async def create_work_pool() -> bool:
    """Create the work pool that the deployments name; say whether it was missing."""
    async with get_client() as client:
        try:
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        except ObjectAlreadyExists:
            return False
    return True


def deploy(place: PrefectInstance) -> None:
    """Bring every deployment to what `prefect.yaml` says.

    Raises:
        InputError: the file is missing, or Prefect does not take it.
    """
    if not FILE.is_file():
        raise InputError("there is no prefect.yaml", str(FILE), "run from a copy of the project")
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=PROJECT,
        env=server.environment(place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise InputError(
            f"the deployments were not taken ({' '.join(said[-3:])[:300]})",
            str(FILE),
            "mend it, then `make up` again",
        )
