"""Fixtures of all rooms; and no test comes near the data root of the repo or anyone's Prefect."""

import csv
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import absl.logging
import pytest

from headlines.storage.layout import Catalog
from lstm_model.presets import PRESETS, Preset

# TensorFlow's logging library closes its stream when Prefect sets up logging: not pytest's own.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

_root = tempfile.TemporaryDirectory(prefix="headlines-tests-")
os.environ["HEADLINES_DATA"] = _root.name
os.environ["PREFECT_HOME"] = f"{_root.name}/.prefect"
# Now and then a request to the test server waits for a lock of its SQLite, and all others with it,
# until the client gives up and asks again: not after Prefect's 60 seconds.
os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "15")

LONGEST = {"flows", "operations"}  # rooms whose tests wait for Prefect's server

WORDS = {0: ["获奖", "丰收", "喜讯"], 1: ["公告", "天气", "路线"], 2: ["车祸", "火灾", "受伤"]}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest come first, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """An empty data root of the test's own."""
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    return Catalog.from_environment()


@pytest.fixture
def small_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset that trains in a second."""
    preset = PRESETS["default"].to_dict() | {
        "name": "small", "min_count": 1, "embedding_size": 8, "units": 4, "epochs": 3,
        "batch_size": 8, "patience": None, "pretrained": False, "decay": False, "readers": 1,
        "pairs": None, "contents": None, "adversarial": 0.0,
    }  # fmt: skip
    monkeypatch.setitem(PRESETS, "small", Preset.from_dict(preset))
    return "small"


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """A labelled corpus of 90 headlines whose words give the label away."""
    path = tmp_path / "news.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "label", "split"])
        for number in range(90):
            label = number % 3
            word = WORDS[label][number % 9 // 3]
            split = ("train", "train", "train", "dev", "test")[number // 3 % 5]
            writer.writerow([f"某地{word}第{number}号", label, split])
    return path


@pytest.fixture
def write_batch() -> Callable[[Path, list[str]], Path]:
    """Writes headlines as a CSV batch, with an id and a column that no one asked for."""

    def write(path: Path, titles: list[str]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "title", "source"])
            writer.writerows([f"n-{number}", title, "搜狐"] for number, title in enumerate(titles))
        return path

    return write
