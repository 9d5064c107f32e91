"""The environment that the flows need: settings of Prefect, Arrow and TensorFlow."""

import contextlib
import logging
import os
import sys

from flows import logs
from headlines.errors import InputError
from operations.instance import PrefectInstance

_settled: dict[str, str] = {}


def configure() -> None:
    """Set what the flows need, unless the environment says otherwise.

    Called before Prefect is imported, and again when the data root is another one than before.
    """
    for name, value in _surroundings().items():
        if os.environ.get(name) == _settled.get(name):  # nobody's, or ours from before
            os.environ[name] = _settled[name] = value


def use_running_server() -> None:
    """Have flows run on the data root's lasting server, where it is up and no other is named.

    Called once, when a flow is about to run: a server that is busy is given time to answer.
    """
    if os.environ.get("PREFECT_API_URL"):
        return
    from operations import server

    instance = PrefectInstance.from_environment()
    url = server.api_url_if_up(instance)
    if url is not None:
        os.environ["PREFECT_API_URL"] = url
        if "prefect" in sys.modules:  # it has read the environment already
            from prefect.context import refresh_global_settings_context

            refresh_global_settings_context()
    elif server.is_running(instance):
        logging.getLogger("headlines").warning(
            "the server at %s does not answer: this run uses Prefect's embedded one", instance.url
        )


def _surroundings() -> dict[str, str]:
    # Prefect's home lies below the data root: another Prefect set-up of the same person is not
    # touched.
    variables = {
        # The embedded server takes 15-21 s to start; Prefect gives up after 20.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # What the plain modules log belongs to the run that called them.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "headlines,lstm_model",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # gives back what a batch has needed
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its sums depend on the number of threads
    }
    if os.environ.get("HEADLINES_LOGS") == "json":
        variables |= logs.VARIABLES
    with contextlib.suppress(InputError):  # a wrong setting is reported where it is used
        variables["PREFECT_HOME"] = str(PrefectInstance.from_environment().home)
    return variables
