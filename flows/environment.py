"""The environment that the flows need: settings of Prefect, Arrow and TensorFlow."""

import contextlib
import logging
import os
import sys

from flows import logs
from headlines.errors import InputError
from headlines.settings import Settings
from operations.instance import PrefectInstance
from operations.worker import HEARTBEAT_SECONDS

_set_here: dict[str, str] = {}


def configure() -> None:
    """Set the variables that the flows need, but none that the user has set.

    Called before Prefect is imported, and again when the data root changes.
    """
    for name, value in _variables().items():
        if os.environ.get(name) == _set_here.get(name):
            os.environ[name] = _set_here[name] = value
    # In any case: the server marks a run as crashed when its heartbeats come less often.
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_SECONDS)


def use_running_server() -> None:
    """Run flows on the data root's persistent server, if it is up and no other is configured.

    Called once, right before a flow: a server that is busy is given time to answer.
    """
    if os.environ.get("PREFECT_API_URL"):
        return
    from operations import server

    instance = PrefectInstance.from_settings(Settings.from_environment())
    url = server.api_url_if_up(instance)
    if url is not None:
        os.environ["PREFECT_API_URL"] = url
        if "prefect" in sys.modules:  # it has read the environment already
            from prefect.context import refresh_global_settings_context

            refresh_global_settings_context()
    elif server.is_running(instance):
        logging.getLogger("headlines").warning(
            "the server at %s does not answer; using Prefect's embedded one", instance.url
        )


def _variables() -> dict[str, str]:
    variables = {
        # The embedded server takes 15-21 s to start; Prefect gives up after 20.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Log lines of the plain modules belong to the run that called them.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "headlines,lstm_model",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # returns memory after each batch
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its sums depend on the number of threads
    }
    with contextlib.suppress(InputError):  # an invalid setting is reported where it is used
        settings = Settings.from_environment()
        # Prefect's home is in the data root: another Prefect setup of the user stays untouched.
        variables["PREFECT_HOME"] = str(PrefectInstance.from_settings(settings).home)
        if settings.json_logs:
            variables |= logs.VARIABLES
    return variables
