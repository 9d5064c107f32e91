"""The environment that the flows need: settings of Prefect, Arrow and TensorFlow."""

import contextlib
import os

from flows import json_logs
from headlines.errors import InputError
from operations import server
from operations.place import Place

_settled: dict[str, str] = {}


def settle() -> None:
    """Set what the flows need, unless the environment says otherwise.

    Called before Prefect is imported, and again when the data root is another one than before.
    """
    for name, value in _surroundings().items():
        if os.environ.get(name) == _settled.get(name):  # nobody's, or ours from before
            os.environ[name] = _settled[name] = value


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
        variables |= json_logs.VARIABLES
    with contextlib.suppress(InputError):  # a wrong setting is reported where it is used
        place = Place.from_environment()
        variables["PREFECT_HOME"] = str(place.home)
        if (url := server.api_url_if_up(place)) is not None:
            variables["PREFECT_API_URL"] = url
    return variables
