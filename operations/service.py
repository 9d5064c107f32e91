"""Server, worker, deployments and automations together: up and down, as often as one likes."""

import asyncio
import os

from headlines.storage.atomic import file_lock
from headlines.storage.layout import Catalog
from operations import server, worker
from operations.instance import PrefectInstance


def up(place: PrefectInstance) -> list[str]:
    """Start what is not running, and bring the server to what this project wants of it.

    Returns:
        What was done, a line each.

    Raises:
        InputError: something else uses the port, or a part does not start; see its log.
    """
    with file_lock(Catalog(place.data_root), "operations"):
        started = server.start(place)
        os.environ["PREFECT_API_URL"] = place.api_url  # before Prefect is imported
        from operations import automations, deployments, status

        asyncio.run(deployments.create_work_pool())
        deployments.deploy(place)
        asyncio.run(automations.watch_heartbeats())
        working = worker.start(place, lambda: bool(asyncio.run(status.workers_online())))
    return [
        f"server: {'started' if started else 'was running'}, {place.url}",
        "deployments: as prefect.yaml has them",
        f"worker: {'started' if working else 'was running'}",
        f"logs: {place.logs}",
    ]


def down(place: PrefectInstance) -> list[str]:
    """End the worker and the server that were started here, and nothing else."""
    with file_lock(Catalog(place.data_root), "operations"):
        ended = {"worker": worker.stop(place), "server": server.stop(place)}
    return [f"{name}: {'ended' if was else 'was not running'}" for name, was in ended.items()]
