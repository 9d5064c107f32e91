"""Fixtures of the tests of `headlines`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from headlines.corpus.ingest import ingest
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests import factories

from .report_fixtures import (  # noqa: F401  # fixtures
    evaluate_on,
    evaluated,
    evaluated_in_chinese,
    night_of,
    publish_predictions,
)

# The same examples on every run, and none fails for being slow.
settings.register_profile("headlines", deadline=None, derandomize=True)
settings.load_profile("headlines")


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty data root."""
    return DataRoot.open(tmp_path / "data")


@pytest.fixture(scope="session")
def inews_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with the iNews corpus; tests only read it."""
    root = DataRoot.open(tmp_path_factory.mktemp("inews") / "data")
    ingest(root, "inews", "inews")
    return root


@pytest.fixture(scope="session")
def inews_corpus(inews_root: DataRoot) -> Artifact:
    """The iNews corpus in `inews_root`."""
    return ingest(inews_root, "inews", "inews")


@pytest.fixture
def publish_model() -> Callable[..., Artifact]:
    """Publishes a small classifier with random weights as a model."""
    return factories.publish_model
