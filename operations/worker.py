"""The worker that runs what is deployed, and the pool that it serves."""

import sys
from collections.abc import Callable

from operations import processes, server
from operations.instance import PrefectInstance

NAME = "worker"
POOL = "headlines"
HEARTBEAT_SECONDS = 30  # of a flow run; the least that Prefect takes
_START_SECONDS = 60
_STOP_SECONDS = 30  # it ends the flow runs that are under way


def start(place: PrefectInstance, polls: Callable[[], bool]) -> bool:
    """Start the worker where it is not running, and wait until it polls.

    Args:
        place: the data root's own Prefect.
        polls: whether the server has heard of a worker.

    Returns:
        Whether it was started.

    Raises:
        InputError: it does not start.
    """
    if processes.running(place, NAME):
        return False
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--install-policy", "never", "--name", "headlines"]
    environment = {
        **server.environment(place),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }
    started = processes.start(place, NAME, command, environment)
    processes.wait_until(place, NAME, started, _START_SECONDS, polls)
    return True


def stop(place: PrefectInstance) -> bool:
    """End the worker, if it was started here; say whether it was running."""
    return processes.stop(place, NAME, _STOP_SECONDS)
