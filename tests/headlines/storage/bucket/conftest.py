"""A bucket of each test on Moto's server, which is started once.

With `HEADLINES_TEST_S3=http://127.0.0.1:PORT` and the `AWS_…` variables of its keys they run on
the store that answers there instead; with `HEADLINES_CONDITIONAL_WRITES=off` too, without those
tests that such a store cannot pass.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from headlines.storage.bucket import requests
from headlines.storage.bucket.objects import Bucket
from headlines.storage.bucket.store import BucketStore
from headlines.storage.data_root import DataRoot
from tests.headlines.conftest import publish_model  # noqa: F401  # a fixture

from .faulty_proxy import FaultyProxy, proxied

RootOf = Callable[[str], DataRoot]

_SERVER = Path(__file__).with_name("s3_server.py")
_numbers = itertools.count()
_STORE = os.environ.get("HEADLINES_TEST_S3")
KEYS = ("AKIAEXAMPLE", "wJalr-secret-of-tests")
if _STORE:
    KEYS = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])

needs_conditions = pytest.mark.skipif(
    os.environ.get("HEADLINES_CONDITIONAL_WRITES") == "off", reason="the store heeds no conditions"
)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of the server."""
    if _STORE:
        yield _STORE
        return
    with subprocess.Popen([sys.executable, _SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and the environment that leads to it."""
    name = f"news-{os.getpid()}-{next(_numbers)}"
    store = boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        region_name="us-east-1",
    )
    store.create_bucket(Bucket=name)
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("HEADLINES_DATA", f"s3://{name}/data")
    monkeypatch.setenv("HEADLINES_RUNNER", "threads")
    return name


@pytest.fixture
def root_of(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RootOf:
    """Opens the bucket as machines of that name would, each with a cache of its own."""

    def open_root(machine: str) -> DataRoot:
        monkeypatch.setenv("HEADLINES_CACHE", str(tmp_path / machine))
        return DataRoot.open(f"s3://{bucket}/data")

    return open_root


@pytest.fixture
def root(root_of: RootOf) -> DataRoot:
    """The bucket as one machine has it."""
    return root_of("here")


def bucket_of(root: DataRoot) -> Bucket:
    """The objects of a data root."""
    assert isinstance(root.store, BucketStore)
    return root.store.bucket


def object_names(root: DataRoot, folder: str = "") -> list[str]:
    """The objects below a folder of the bucket."""
    return [info.name for info in bucket_of(root).list(folder)]


@pytest.fixture
def proxy(s3_server: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The store behind a proxy that fails on command; retries do not wait long."""
    monkeypatch.setitem(requests._CLIENT, "read_timeout", timedelta(seconds=0.5))
    backoff = {"init_backoff": timedelta(milliseconds=2), "max_backoff": timedelta(milliseconds=9)}
    monkeypatch.setitem(requests._RETRIES, "backoff", backoff)
    monkeypatch.setattr(requests, "_FIRST_PAUSE", 0.005)
    with proxied(s3_server) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running
