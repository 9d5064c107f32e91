from collections.abc import Iterator

import pytest

import flows  # noqa: F401  # sets Prefect's surroundings before Prefect is imported


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Prefect's own test server, started once: it takes many seconds."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield
