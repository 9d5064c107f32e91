"""The worker that runs the deployments, and the work pool that it serves."""

import sys
from collections.abc import Callable

from operations import processes
from operations.instance import HEARTBEAT_SECONDS, PrefectInstance

NAME = "worker"
POOL = "headlines"
_START_SECONDS = 60
_STOP_SECONDS = 30  # it stops the flow runs that are under way


def start(instance: PrefectInstance, is_polling: Callable[[], bool]) -> bool:
    """Start the worker unless it is running, and wait until it polls the work pool.

    Args:
        instance: the data root's own Prefect.
        is_polling: whether the server has heard from a worker.

    Returns:
        Whether it was started.

    Raises:
        InputError: it does not start.
    """
    if processes.running(instance, NAME):
        return False
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--install-policy", "never", "--name", "headlines"]
    heartbeat = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)}
    process = processes.start(instance, NAME, command, instance.environment() | heartbeat)
    processes.wait_until_ready(instance, NAME, process, _START_SECONDS, is_polling)
    return True


def stop(instance: PrefectInstance) -> bool:
    """Stop the worker if it was started here; return whether it was running."""
    return processes.stop(instance, NAME, _STOP_SECONDS)
