"""The Prefect server that a flow run from the command line uses."""

import logging
import os
import sys
from typing import TYPE_CHECKING

from headlines.settings import Settings
from operations.instance import PrefectInstance

if TYPE_CHECKING:
    from operations.embedded import EmbeddedServer


def connect() -> "EmbeddedServer | None":
    """Have Prefect use the server that is configured, else the data root's if it is up.

    Returns:
        A server that was started for this process, as there is no other; it is not ready yet.
    """
    if os.environ.get("PREFECT_API_URL") or _prefect_has_a_server():
        return None
    from operations import embedded, server

    instance = PrefectInstance.from_settings(Settings.from_environment())
    started = None
    url = server.api_url_if_up(instance)  # a server that is busy is given time to answer
    if url is None:
        if server.is_running(instance):
            logging.getLogger("headlines").warning(
                "the server at %s does not answer; starting one for this run", instance.url
            )
        started = embedded.start(instance)
        url = started.instance.api_url
        os.environ["PREFECT_UI_URL"] = ""  # it has none
    os.environ["PREFECT_API_URL"] = url
    if "prefect" in sys.modules:  # it has read the environment already
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
    return started


def _prefect_has_a_server() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.settings import get_current_settings

    return bool(get_current_settings().api.url)
