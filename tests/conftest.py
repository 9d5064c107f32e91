"""Fixtures of all tests, which use neither the data root of the repo nor the user's Prefect."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import absl.logging
import pytest

from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from lstm_model.presets import PRESETS
from tests import factories
from tests.reaper import run_directory

# TensorFlow's logging library closes its stream when Prefect sets up logging; not pytest's then.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["TMPDIR"] = tempfile.tempdir = run_directory()
_root = tempfile.mkdtemp()
os.environ["HEADLINES_DATA"] = _root
os.environ["PREFECT_HOME"] = f"{_root}/.prefect"
os.environ["HEADLINES_LANG"] = "en"  # whatever the locale is
# Sometimes a request to the test server waits for a lock of its SQLite, and all others with it,
# until the client times out and retries, so do not wait Prefect's 60 seconds.
os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "15")


BUDGET_SECONDS = 10
LONGER = {"integration", "slow"}

# The folders with the longest files come first, so that two processes end together.
LONGEST = {"benchmarks", "operations", "lstm_model"}

# Whoever uses one of these is an integration test.
SERVERS = {"prefect_server", "service", "s3_server", "start_cluster"}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("integration")
    yield  # pytest selects, and the order becomes a random one
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test of `make test` that computes for too long, its fixtures apart."""
    before = os.times()
    yield
    after = os.times()
    # Not the clock's time: the machine may be busy with other work.
    seconds = sum(after[:4]) - sum(before[:4])
    may_be_long = LONGER.intersection(mark.name for mark in item.iter_markers())
    if not may_be_long and seconds > BUDGET_SECONDS and seconds > BUDGET_SECONDS * slowness():
        pytest.fail(f"took {seconds:.1f} s of processor time, more than {BUDGET_SECONDS} s")


def slowness() -> float:
    """How much slower this machine is just now than the one that the budget was set on."""
    before = time.process_time()
    sum(number * number for number in range(5_000_000))
    return (time.process_time() - before) / 0.19


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """An empty data root."""
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    return DataRoot.from_settings(Settings.from_environment())


@pytest.fixture
def small_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset that trains in a second."""
    preset = factories.quick_preset()
    monkeypatch.setitem(PRESETS, preset.name, preset)
    return preset.name


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """A labelled corpus of 90 headlines whose words give the label away."""
    return factories.write_corpus(tmp_path / "news.csv")


@pytest.fixture
def write_batch() -> Callable[[Path, list[str]], Path]:
    """Writes headlines as a CSV batch with ids and one extra column."""
    return factories.write_batch
