"""What the flows take from the environment, and what not."""

import os

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
