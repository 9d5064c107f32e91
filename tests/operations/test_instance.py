"""Where a data root's own Prefect keeps its files."""

from pathlib import Path

import pytest

from headlines.settings import Settings
from operations.instance import PrefectInstance


def test_prefect_is_in_a_data_root_that_is_a_directory(tmp_path: Path) -> None:
    instance = PrefectInstance.from_settings(Settings(data=str(tmp_path)))
    assert instance.home == tmp_path / ".prefect"
    assert instance.logs == tmp_path / "logs"
    assert instance.environment()["HEADLINES_DATA"] == str(tmp_path)


def test_prefect_of_a_bucket_is_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("HEADLINES_CACHE", tmp_path.name)  # relative to where `up` is run
    instance = PrefectInstance.from_settings(Settings(data="s3://bucket/data"))
    assert instance.home.is_relative_to(tmp_path)
    assert instance.environment()["HEADLINES_DATA"] == "s3://bucket/data"
    assert instance.environment()["HEADLINES_CACHE"] == str(tmp_path)
