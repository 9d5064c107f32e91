"""Errors of Prefect's server, each with what to do."""

import contextlib
import os
from collections.abc import Iterator

from headlines.errors import InputError
from headlines.settings import Settings
from operations.instance import PrefectInstance


class ServerFailed(Exception):
    """The Prefect server answers, but cannot do what it is asked, as where its disk is full."""


@contextlib.contextmanager
def server_errors_explained() -> Iterator[None]:
    """Have errors of Prefect's client say what is wrong with the server, and how to fix it.

    Raises:
        InputError: no server answers at `PREFECT_API_URL`.
        ServerFailed: the server answers that it has failed.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):
            raise
        hint = "start that server, or unset the variable: the data root's own one is found"
        raise InputError("no Prefect server answers", _url(), hint) from error
    except Exception as error:
        from httpx import HTTPStatusError

        if not isinstance(error, HTTPStatusError) or not error.response.is_server_error:
            raise
        logs = PrefectInstance.from_settings(Settings.from_environment()).logs
        raise ServerFailed(
            f"{_url()}: the Prefect server answers {error.response.status_code} "
            f"{error.response.reason_phrase}; see its disk with `headlines status`, and its log, "
            f"in {logs} if it was started by `headlines`"
        ) from error


def _url() -> str:
    return f"PREFECT_API_URL={os.environ.get('PREFECT_API_URL', '')}"
