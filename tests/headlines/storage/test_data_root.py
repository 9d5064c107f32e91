"""The data root: opened by its URL, sent to workers, and asked for what people name."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot.open(tmp_path / "data")


def test_the_root_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path))
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    assert DataRoot.from_settings(Settings.from_environment()) == DataRoot.open(tmp_path)
    assert DataRoot.from_settings(Settings.from_environment()).url == str(tmp_path)


def test_it_is_sent_to_another_process(root: DataRoot) -> None:
    sent = pickle.dumps(DataRoot.open(root.url, Settings(runner="dask")))
    received: DataRoot = pickle.loads(sent)
    assert received.store is root.store
    assert received.settings.runner == "dask"


def test_what_people_name(root: DataRoot, tmp_path: Path) -> None:
    def build(draft: Path) -> dict[str, Any]:
        (draft / "best.json").write_text("{}")
        return {}

    root.store.publish("sweeps/results/1", Recipe("example", 1, (), {}), build)
    path = str(tmp_path / "data/sweeps/results/1/best.json")
    assert root.resolve(path) == "sweeps/results/1/best.json"
    assert root.file(path) == Path(path)
    assert root.resolve("/elsewhere/a.json") == "/elsewhere/a.json"
    assert root.file("/elsewhere/a.json") == Path("/elsewhere/a.json")
    with pytest.raises(InputError, match="not in the data root"):
        root.resolve("s3://elsewhere/a.json")


def test_a_url_cannot_leave_a_bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADLINES_CACHE", str(tmp_path))
    bucket = DataRoot.open("s3://bucket/prefix")
    assert bucket.resolve("s3://bucket/prefix/inbox/a.csv") == "inbox/a.csv"
    with pytest.raises(InputError, match="not in the data root"):
        bucket.resolve("s3://bucket/prefix/../a.csv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/a.csv", "cannot write to"),
        (".", "is not a file"),
        ("data/inbox/a.csv", "data root"),
        ("inbox-link/a.csv", "data root"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(
    root: DataRoot, tmp_path: Path, name: str, message: str
) -> None:
    inbox = tmp_path / "data/inbox"
    inbox.mkdir(parents=True)
    (tmp_path / "inbox-link").symlink_to(inbox)
    with pytest.raises(InputError, match=message) as caught:
        root.check_output_path(tmp_path / name, "--csv")
    assert caught.value.location == "--csv"


@pytest.mark.parametrize("name", ["a.csv", "data/a.csv", "old.csv"])
def test_an_output_that_can_be_written(root: DataRoot, tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "old.csv").touch()
    root.check_output_path(tmp_path / name, "--csv")
