"""What the commands up, down, status and alerts do with the persistent server.

Prefect reads its server's address when it is imported, so what needs Prefect is imported here only
after the address is set.
"""

import os

from headlines.errors import InputError
from headlines.storage.atomic import file_lock
from operations import processes, server, worker
from operations.checks import Check
from operations.instance import PrefectInstance
from operations.prefect_settings import ignore_working_directory
from operations.server_errors import server_errors_explained


def up(instance: PrefectInstance) -> list[str]:
    """Start what is not running, and bring deployments and automations up to date.

    Returns:
        What was done, a line each.

    Raises:
        InputError: the port is in use, or the server or the worker does not start, or Prefect
            rejects the deployments.
        ServerFailed: the server cannot do its work, as where its disk is full.
    """
    with file_lock(instance.work, "operations"):
        server_started = server.start(instance)
        os.environ["PREFECT_API_URL"] = instance.api_url
        ignore_working_directory()
        from operations import automations, deployments, orphans, status

        try:
            with server_errors_explained():
                deployments.create_work_pool()
                deployments.deploy(instance)
                automations.watch_heartbeats()
                crashed = orphans.crash_all()
                worker_started = worker.start(instance, lambda: bool(status.online_workers()))
        except InputError as error:
            hint = f"{error.hint}; the server is running, and `make down` stops it"
            raise InputError(error.problem, error.location, hint) from error
    return [
        f"server: {'started' if server_started else 'already running'}, {instance.url}",
        "deployments: as in prefect.yaml",
        *(f"crashed: {run.name} ({run.id}), whose process is gone" for run in crashed),
        f"worker: {'started' if worker_started else 'already running'}",
        f"logs: {instance.logs}",
    ]


def down(instance: PrefectInstance) -> list[str]:
    """Stop the worker and the server that were started here, and nothing else."""
    with file_lock(instance.work, "operations"):
        stopped = {"worker": worker.stop(instance), "server": server.stop(instance)}
    return [
        f"{name}: {'stopped' if was_running else 'was not running'}"
        for name, was_running in stopped.items()
    ]


def status(instance: PrefectInstance) -> list[Check]:
    """The state of server, schedule, worker, last night and alerts."""
    if not _connect(instance):
        return [_server_not_up(instance)]
    from operations.status import check_server

    return check_server()


def alerts(instance: PrefectInstance, block: str | None, *, off: bool) -> str | None:
    """Choose the notification block that sends alerts, or turn them off.

    Returns:
        The block that sends them now; None if they are off.

    Raises:
        InputError: the server is not running, or has no such block.
    """
    if not _connect(instance):
        raise InputError("the server is not running", instance.url, "start it with `make up`")
    from operations import automations

    if off:
        automations.turn_alerts_off()
    elif block:
        automations.turn_alerts_on(block)
    return automations.alert_block()


def _connect(instance: PrefectInstance) -> bool:
    """Have Prefect use this data root's server, else the one that PREFECT_API_URL names.

    Returns:
        Whether there is one.
    """
    if url := server.api_url_if_up(instance):
        os.environ["PREFECT_API_URL"] = url
    if not os.environ.get("PREFECT_API_URL"):
        return False
    ignore_working_directory()
    return True


def _server_not_up(instance: PrefectInstance) -> Check:
    if server.is_running(instance):
        problem = f"running but not answering at {instance.url}"
        hint = f"restart it with `make up`; see {instance.logs / 'server.log'}"
        return Check("server", False, f"{problem}; {hint}")
    if processes.was_recorded(instance, server.NAME):
        return Check("server", False, "no longer running; start it again with `make up`")
    return Check(
        "server",
        True,
        "not running: each run starts Prefect's embedded server; `make up` starts a persistent one",
    )
