"""The environment that the flows need: settings of Prefect, Arrow and TensorFlow."""

import contextlib
import os

from flows import logs
from headlines.errors import InputError
from headlines.settings import Settings
from operations.instance import HEARTBEAT_SECONDS, PrefectInstance

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_set_here: dict[str, str] = {}


def configure() -> None:
    """Set the variables that the flows need, but none that the user has set.

    Proxies that the user has set are kept, but not used for this machine.

    Called before Prefect is imported, and again when the data root changes.
    """
    for name, value in _variables().items():
        if os.environ.get(name) == _set_here.get(name):
            os.environ[name] = _set_here[name] = value
    # In any case: the server marks a run as crashed when its heartbeats come less often.
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_SECONDS)
    _keep_loopback_from_proxies()


def _keep_loopback_from_proxies() -> None:
    """Have no request to this machine sent through a proxy that the environment names.

    Servers, workers and runs inherit it.
    """
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    hosts = [host.strip() for host in excluded.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in _LOOPBACK if host not in hosts]
    # Which of them counts depends on the program.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)


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
