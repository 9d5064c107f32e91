from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from headlines.corpus import inews
from headlines.models import champion
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from operations import doctor
from operations.doctor import Check, examine
from tests.headlines.conftest import publish_model  # noqa: F401  # a fixture


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(catalog.root))
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"pytest=={version('pytest')} \\\n    --hash=sha256:00\n", encoding="utf-8")
    monkeypatch.setattr(doctor, "_LOCK", lock)


def found() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_a_fresh_set_up_is_good(catalog: Catalog) -> None:
    checks = found()
    assert [check.name for check in checks.values() if not check.good] == []
    assert "no model yet" in checks["champion"].message
    assert str(catalog.root) in checks["data root"].message


def test_packages_that_differ_from_the_lock_are_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text(
        f"# a comment with a==b\npytest==0.0.1 \\\n    --hash=sha256:00\n"
        f"no-such-package==2.0\nhypothesis=={version('hypothesis')}\n"
        "pywin32==1 ; sys_platform == 'win32'\n",
        encoding="utf-8",
    )
    check = found()["packages"]
    assert not check.good
    assert f"pytest is {version('pytest')}, not 0.0.1" in check.message
    assert "no-such-package is missing, not 2.0" in check.message
    assert "hypothesis" not in check.message
    assert "pywin32" not in check.message
    assert "make venv" in check.message


def test_the_lock_of_the_project_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path(doctor.__file__).parent.parent / "requirements.lock"
    monkeypatch.setattr(doctor, "_LOCK", lock)
    monkeypatch.setattr(doctor, "installed_version", lambda name: f"<{name}>")
    check = found()["packages"]
    assert not check.good
    assert check.message.count(" is <") == 5  # the first five of all that differ


def test_a_bad_setting_is_a_finding_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADLINES_WORKERS", "many")
    checks = found()
    assert not checks["settings"].good
    assert "HEADLINES_WORKERS" in checks["settings"].message
    assert checks["Python"].good


def test_a_data_root_that_cannot_be_written_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "file"))
    check = found()["data root"]
    assert not check.good
    assert "HEADLINES_DATA" in check.message


def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_FREE_BYTES", 1 << 62)
    check = found()["data root"]
    assert not check.good
    assert "MiB are free" in check.message


def test_a_missing_corpus_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inews, "_PACKAGE", "zh_dataset_that_is_not_there")
    check = found()["corpus package"]
    assert not check.good
    assert "pip install" in check.message


def test_an_older_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PYTHONS", ((4, 0), (4, 1)))
    assert not found()["Python"].good


def test_the_champion_is_named_and_a_damaged_one_found(
    catalog: Catalog,
    publish_model: Callable[..., Artifact],  # noqa: F811
) -> None:
    model = publish_model(catalog, "2026-11-20-00000000")
    check = found()["champion"]
    assert not check.good
    assert "headlines promote" in check.message
    champion.promote(catalog, "2026-11-20-00000000", "a test")
    assert found()["champion"] == Check("champion", True, "2026-11-20-00000000")
    (model.directory / "config.json").write_text("{}")
    assert "damaged" in found()["champion"].message


@pytest.mark.parametrize(
    ("variable", "value", "password", "good"),
    [
        ("PREFECT_SERVER_API_HOST", "127.0.0.1", "", True),
        ("PREFECT_SERVER_API_HOST", "::1", "", True),
        ("PREFECT_SERVER_API_HOST", "localhost", "", True),
        ("PREFECT_SERVER_API_HOST", "0.0.0.0", "", False),
        ("PREFECT_SERVER_API_HOST", "0.0.0.0", "PREFECT_SERVER_API_AUTH_STRING", True),
        ("PREFECT_SERVER_API_HOST", "0.0.0.0", "PREFECT_API_AUTH_STRING", False),
        ("PREFECT_API_URL", "http://127.0.0.1:4200/api", "", True),
        ("PREFECT_API_URL", "http://[::1]:4200/api", "", True),
        ("PREFECT_API_URL", "https://prefect.example.org/api", "", False),
        ("PREFECT_API_URL", "https://prefect.example.org/api", "PREFECT_API_AUTH_STRING", True),
    ],
)
def test_a_server_beyond_this_machine_needs_a_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, password: str, good: bool
) -> None:
    for name in (
        "PREFECT_API_URL", "PREFECT_SERVER_API_HOST",
        "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    if password:
        monkeypatch.setenv(password, "user:word")
    assert found()["Prefect's address"].good == good
