"""What the verbs up, down, status and alerts do with the lasting server."""

import asyncio
import os

from headlines.errors import InputError
from operations import server
from operations.doctor import Check
from operations.instance import PrefectInstance


def examine_server() -> list[Check]:
    """What server, schedule, worker, the last night and alerts are at."""
    url = _use_server()
    if url is None:
        return [_without_server(PrefectInstance.from_environment())]
    from operations import status

    return asyncio.run(status.examine())


def _without_server(place: PrefectInstance) -> Check:
    if server.is_running(place):
        what = f"it runs and does not answer at {place.url}; `make up` starts it anew"
        return Check("server", False, f"{what}, {place.logs / 'server.log'} says more")
    if server.was_started(place):
        return Check("server", False, "it was started, and is gone; `make up` starts it again")
    return Check("server", True, "none: each run starts Prefect's embedded one (`make up`)")


def alerts(block: str | None, *, off: bool) -> str | None:
    """Choose the notification block that alerts are sent by, or none; say which it is then.

    Raises:
        InputError: the server is not running, or has no such block.
    """
    if _use_server() is None:
        place = PrefectInstance.from_environment()
        raise InputError("the server is not running", place.url, "start it with `make up`")
    from operations import automations

    if off:
        asyncio.run(automations.send_no_alerts())
    elif block:
        asyncio.run(automations.send_alerts(block))
    return asyncio.run(automations.alert_block())


def _use_server() -> str | None:
    """Have Prefect ask this data root's server, else the one that the environment names."""
    url = server.api_url_if_up(PrefectInstance.from_environment()) or os.environ.get(
        "PREFECT_API_URL"
    )
    if url:
        os.environ["PREFECT_API_URL"] = url  # before Prefect is imported
    return url or None
