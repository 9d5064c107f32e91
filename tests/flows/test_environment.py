"""What the flows take from the environment, and what not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.environment import configure


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (None, None, "localhost,127.0.0.1,::1"),
        (None, "example.org", "example.org,localhost,127.0.0.1,::1"),
        ("example.org, 127.0.0.1", "ignored.org", "example.org,127.0.0.1,localhost,::1"),
        ("localhost,127.0.0.1,::1", None, "localhost,127.0.0.1,::1"),
        ("*", None, "*"),
    ],
)
def test_loopback_is_excluded_from_proxies(
    monkeypatch: pytest.MonkeyPatch, lower: str | None, upper: str | None, expected: str
) -> None:
    for name, value in (("no_proxy", lower), ("NO_PROXY", upper)):
        monkeypatch.setenv(name, value or "")
        if value is None:
            monkeypatch.delenv(name)
    configure()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == (expected, expected)


# What another project has in its folder: settings of its own server, and a file with a mistake.
FOREIGN = {
    ".env": "PREFECT_API_URL=http://127.0.0.1:9/api\nPREFECT_HOME=/nowhere\n",
    "prefect.toml": "[broken",
    "pyproject.toml": '[tool.prefect.api]\nurl = "http://127.0.0.1:9/api"\n',
}
SHOW_SETTINGS = """
import flows
from operations.prefect_settings import ignore_working_directory
ignore_working_directory()
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings
with temporary_settings({PREFECT_LOGGING_LEVEL: "ERROR"}):  # reads all settings once more
    from prefect.settings import get_current_settings
    settings = get_current_settings()
    print(settings.api.url, settings.home, settings.profiles_path)
"""


@pytest.mark.integration
def test_files_of_the_working_directory_set_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in FOREIGN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    home = tmp_path / "home"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-c", SHOW_SETTINGS], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", str(home), str(home / "profiles.toml")]
