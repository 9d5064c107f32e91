"""The environment that the flows need: settings of Prefect and TensorFlow."""

import contextlib

from headlines.catalog import Catalog
from headlines.errors import InputError


def surroundings() -> dict[str, str]:
    """Environment variables and their values.

    Prefect keeps its home below the data root, so that another Prefect set-up of the same person
    is not touched.
    """
    variables = {
        # The embedded server takes 15-21 s to start; Prefect gives up after 20.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # What the plain modules log belongs to the run that called them.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "headlines,lstm_model",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its sums depend on the number of threads
    }
    with contextlib.suppress(InputError):  # a wrong setting is reported where it is used
        variables["PREFECT_HOME"] = str(Catalog.from_environment().root / ".prefect")
    return variables
