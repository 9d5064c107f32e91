from collections.abc import Iterator

import pytest

import flows  # noqa: F401  # sets Prefect's surroundings before Prefect is imported
from operations import embedded
from operations.instance import PrefectInstance


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server as runs have it, started once: it takes many seconds."""
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

    server = embedded.start(PrefectInstance(str(tmp_path_factory.mktemp("prefect")), 4200))
    server.wait_until_ready()
    own = {PREFECT_API_URL: server.instance.api_url, PREFECT_UI_URL: ""}
    with temporary_settings(own), _temporary_global_settings_context(get_settings_context()):
        yield
        APILogWorker.drain_all()
        EventsWorker.drain_all()
    server.stop()
