"""The worker that runs what is deployed, and the pool that it serves."""

import sys

from operations import processes, server
from operations.place import Place

NAME = "worker"
POOL = "headlines"
HEARTBEAT_SECONDS = 30  # of a flow run; the least that Prefect takes
_STOP_SECONDS = 30  # it ends the flow runs that are under way


def start(place: Place) -> bool:
    """Start the worker where it is not running; say whether it was started."""
    if processes.running(place, NAME):
        return False
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--install-policy", "never", "--name", "headlines"]
    environment = {
        **server.environment(place),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }
    processes.start(place, NAME, command, environment)
    return True


def stop(place: Place) -> bool:
    """End the worker, if it was started here; say whether it was running."""
    return processes.stop(place, NAME, _STOP_SECONDS)
