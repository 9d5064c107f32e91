import os
from pathlib import Path

import pytest

from headlines.errors import InputError, PreconditionFailed, StoreError
from headlines.settings import Settings
from headlines.storage.bucket.objects import Bucket
from headlines.storage.data_root import DataRoot

from .conftest import KEYS, needs_conditions
from .faulty_proxy import (
    CUT,
    FAIL_500,
    FAIL_503,
    FAIL_AFTER,
    FAULTS,
    PASS,
    RESET_AFTER,
    STALL,
    FaultyProxy,
    first,
)


@pytest.fixture
def opened(bucket: str) -> Bucket:
    return Bucket(f"s3://{bucket}/data")


@pytest.fixture
def behind(proxy: FaultyProxy, bucket: str) -> Bucket:
    return Bucket(f"s3://{bucket}/data")


def test_an_object_is_replaced_only_if_unchanged_since_read(opened: Bucket) -> None:
    one = opened.replace("a", b"one", None)
    with pytest.raises(PreconditionFailed):
        opened.replace("a", b"two", None)
    two = opened.replace("a", b"two", one)
    with pytest.raises(PreconditionFailed):
        opened.replace("a", b"three", one)
    found = opened.read("a")
    assert found is not None
    assert (found.body, found.etag) == (b"two", two)
    with pytest.raises(PreconditionFailed):
        opened.replace("b", b"new", two)
    assert opened.read("b") is None


def test_without_conditional_writes_the_object_is_read_first(
    bucket: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.heeds_conditions = False
    monkeypatch.setenv("HEADLINES_CONDITIONAL_WRITES", "off")
    opened = Bucket(f"s3://{bucket}/data")
    one = opened.replace("a", b"one", None)
    with pytest.raises(PreconditionFailed):
        opened.replace("a", b"two", None)
    opened.replace("a", b"two", one)
    opened.require_writable()


def test_an_invalid_setting_of_conditional_writes_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADLINES_CONDITIONAL_WRITES", "yes")
    with pytest.raises(InputError, match="'yes'") as caught:
        Bucket(f"s3://{bucket}/data")
    assert caught.value.location == "HEADLINES_CONDITIONAL_WRITES"


@needs_conditions
def test_a_store_that_ignores_conditions_is_found_out(proxy: FaultyProxy, root: DataRoot) -> None:
    proxy.heeds_conditions = False
    with pytest.raises(InputError, match="HEADLINES_CONDITIONAL_WRITES=off"):
        root.store.require_writable()
    proxy.heeds_conditions = True
    root.store.require_writable()


@pytest.mark.parametrize("fault", [*FAULTS, STALL])
def test_a_write_is_done_once_whatever_becomes_of_the_answer(
    proxy: FaultyProxy, behind: Bucket, fault: str
) -> None:
    proxy.choose = first("PUT", "/a$", fault)
    one = behind.replace("a", b"one", None)
    proxy.choose = first("PUT", "/a$", fault)
    behind.replace("a", b"two", one)
    found = behind.read("a")
    assert found is not None
    assert found.body == b"two"
    assert proxy.counts[fault] == 2


def test_a_write_overtaken_by_another_is_not_taken_as_its_own(
    proxy: FaultyProxy, behind: Bucket
) -> None:
    one = behind.replace("a", b"one", None)
    behind.replace("a", b"two", one)
    proxy.choose = first("PUT", "/a$", RESET_AFTER)
    with pytest.raises(PreconditionFailed):
        behind.replace("a", b"other", one)


@pytest.mark.parametrize("fault", [*FAULTS, STALL])
def test_a_download_is_whole_whatever_breaks(
    proxy: FaultyProxy, behind: Bucket, fault: str, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    behind.upload(content, "a")
    proxy.choose = first("GET", "/a$", fault)
    behind.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == content
    assert proxy.counts[fault] == 1


def test_listings_copies_and_deletions_are_asked_again(proxy: FaultyProxy, behind: Bucket) -> None:
    for number in range(3):
        behind.upload(b"x", f"f/{number}")
    for fault in (FAIL_500, FAIL_503, FAIL_AFTER, RESET_AFTER, CUT):
        proxy.choose = first("GET", "list-type", fault)
        assert len(behind.list("f")) == 3
        proxy.choose = first("PUT", "/g", fault)
        behind.copy("f/1", "g/1")
        proxy.choose = first("POST", "delete", fault)
        behind.delete(["g/1", "g/never"])
        assert behind.list("g") == []


def test_a_store_that_fails_again_and_again_is_no_wrong_input(
    proxy: FaultyProxy, behind: Bucket
) -> None:
    proxy.choose = lambda _method, _path: FAIL_503
    with pytest.raises(StoreError, match=r"/data/a: the store fails \(SlowDown\)"):
        behind.read("a")
    proxy.choose = lambda _method, _path: PASS
    assert behind.read("a") is None


def test_an_unreachable_store_is_reported_before_any_work(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultyProxy, bucket: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="the store cannot be reached"):
        Bucket(f"s3://{bucket}/data").require_writable()


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDenied", "s3:PutObject"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        ("RequestTimeTooSkewed", "clock"),
        ("AuthorizationHeaderMalformed", "AWS_REGION"),
        ("ExpiredToken", "new ones"),
        ("NotImplemented", "HEADLINES_CONDITIONAL_WRITES=off"),
    ],
)
def test_what_a_person_can_fix_is_reported_without_keys(
    proxy: FaultyProxy, behind: Bucket, code: str, hint: str
) -> None:
    proxy.choose = lambda _method, _path: code
    for ask in (
        lambda: behind.read("a"),
        lambda: behind.list("a"),
        lambda: behind.upload(b"x", "a"),
        lambda: behind.replace("a", b"x", None),
    ):
        before = proxy.counts.total()
        with pytest.raises(InputError) as caught:
            ask()
        assert proxy.counts.total() == before + 2  # asked once: method and outcome are counted
        assert hint in caught.value.hint
        assert code in caught.value.problem
        assert not any(key in repr(caught.value) for key in KEYS)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_a_bucket_that_is_not_there_is_no_empty_one(bucket: str) -> None:
    missing = Bucket("s3://no-such-bucket/data")
    for ask in (lambda: missing.read("a"), lambda: missing.list(""), missing.require_writable):
        with pytest.raises(InputError, match="no such bucket"):
            ask()


def test_nothing_shows_the_keys(opened: Bucket) -> None:
    shown = f"{opened!r} {opened.__dict__!r} {opened._store!r}"
    assert not any(key in shown for key in KEYS)


@pytest.mark.parametrize(
    ("endpoint", "what"),
    [
        ("http://store.example:9000", "hides nothing"),
        ("https://AKIAEXAMPLE:wJalr-secret-of-tests@store.example", "holds credentials"),
    ],
)
def test_an_endpoint_that_is_not_safe_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch, endpoint: str, what: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(InputError, match=what) as caught:
        Bucket(f"s3://{bucket}/data")
    assert KEYS[1] not in str(caught.value)


def test_the_keys_of_a_profile_are_used(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "credentials").write_text(
        f"[news]\naws_access_key_id = {KEYS[0]}\naws_secret_access_key = {KEYS[1]}\n"
    )
    (tmp_path / "config").write_text("[profile sso]\nsso_session = x\n")
    monkeypatch.setenv("AWS_PROFILE", "news")
    Bucket(f"s3://{bucket}/data").require_writable()
    for name, what in (("sso", "has no keys of its own"), ("none", "no profile")):
        monkeypatch.setenv("AWS_PROFILE", name)
        with pytest.raises(InputError, match=what):
            Bucket(f"s3://{bucket}/data")


def test_an_address_with_keys_in_it_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADLINES_DATA", f"s3://{KEYS[0]}:{KEYS[1]}@bucket/data")
    with pytest.raises(InputError) as caught:
        DataRoot.from_settings(Settings.from_environment())
    assert KEYS[1] not in str(caught.value)
