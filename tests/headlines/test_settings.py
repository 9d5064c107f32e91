import os
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

NAMES = ("DATA", "RUNNER", "WORKERS", "DASK", "ENGINE", "DICTIONARY", "PORT", "LOGS", "LANG")
VARIABLES = [f"HEADLINES_{name}" for name in NAMES]
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *LOCALE):
        monkeypatch.delenv(name, raising=False)


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment()
    assert settings == Settings(runner="processes", workers=os.cpu_count() or 1)
    assert settings.data_root == str(tmp_path / "data")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Settings.from_environment()
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert Settings.from_environment() == expected


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = [str(tmp_path), "dask", "256", "tls://h:8786", "jieba", "w.txt", "5000", "json", "zh"]
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == Settings(
        data=str(tmp_path),
        runner="dask",
        workers=256,
        scheduler="tls://h:8786",
        engine="jieba",
        dictionary="w.txt",
        port=5000,
        json_logs=True,
        language="zh",
    )
    assert Settings.from_environment().data_root == str(tmp_path)
    monkeypatch.setenv("HEADLINES_DATA", "s3://bucket/prefix")
    assert Settings.from_environment().data_root == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        (("", "", ""), "en"),
        (("", "", "zh_CN.UTF-8"), "zh"),
        (("", "zh_TW", "en_US.UTF-8"), "zh"),
        (("C", "zh_CN", "zh_CN"), "en"),
        (("", "", "de_DE.UTF-8"), "en"),
    ],
)
def test_the_locale_gives_the_language_of_reports(
    monkeypatch: pytest.MonkeyPatch, locale: tuple[str, ...], language: str
) -> None:
    for name, value in zip(LOCALE, locale, strict=True):
        monkeypatch.setenv(name, value)
    assert Settings.from_environment().language == language
    monkeypatch.setenv("HEADLINES_LANG", "en")
    assert Settings.from_environment().language == "en"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADLINES_DATA", "gs://bucket/prefix"),
        ("HEADLINES_DATA", "s3://bucket/../other"),
        ("HEADLINES_RUNNER", "Processes"),
        ("HEADLINES_RUNNER", "slurm"),
        ("HEADLINES_LANG", "de"),
        ("HEADLINES_LANG", "zh_CN"),
        ("HEADLINES_WORKERS", "0"),
        ("HEADLINES_WORKERS", "-1"),
        ("HEADLINES_WORKERS", "257"),
        ("HEADLINES_WORKERS", "2.0"),
        ("HEADLINES_WORKERS", "zwei"),
        ("HEADLINES_WORKERS", "٣"),
        ("HEADLINES_WORKERS", "²"),
        *(("HEADLINES_PORT", port) for port in ("0", "80", "70000", "x", "４２００", "-1")),
    ],
)
def test_an_invalid_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        DataRoot.from_settings(Settings.from_environment())
    assert caught.value.location == name
    assert repr(value) in caught.value.problem


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:8786",
        "tcp://localhost:8786",
        "tcp://[::1]:8786",
        "tls://scheduler.lan:8786",
    ],
)
def test_a_scheduler_is_on_this_machine_or_has_tls(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HEADLINES_RUNNER", "dask")
    assert Settings.from_environment().scheduler is None
    monkeypatch.setenv("HEADLINES_DASK", address)
    assert Settings.from_environment().scheduler == address


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://192.168.1.7:8786", "on another machine and has no TLS"),
        ("tcp://scheduler.lan:8786", "on another machine and has no TLS"),
        ("tcp://localhost.evil.org:8786", "on another machine and has no TLS"),
        ("tcp://0.0.0.0:8786", "on another machine and has no TLS"),
        ("127.0.0.1:8786", "not the address"),
        ("tcp://127.0.0.1", "not the address"),
        ("tcp://127.0.0.1:port", "not the address"),
        ("tcp://[::1:8786", "not the address"),
        ("ucx://127.0.0.1:8786", "not the address"),
        ("tls://scheduler.lan:8786/path", "not the address"),
        ("tls://me:secret@scheduler.lan:8786", "not the address"),
    ],
)
def test_any_other_scheduler_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("HEADLINES_DASK", address)
    Settings.from_environment()  # not used
    monkeypatch.setenv("HEADLINES_RUNNER", "dask")
    with pytest.raises(InputError, match=reason) as caught:
        Settings.from_environment()
    assert caught.value.location == "HEADLINES_DASK"
