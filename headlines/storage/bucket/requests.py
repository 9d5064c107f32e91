"""The connection to a store: how it is made, how often it is asked, and what it is believed."""

import errno
import logging
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from headlines.errors import InputError, PreconditionFailed, StoreError
from headlines.storage.bucket.credentials import options_of_store
from headlines.storage.bucket.errors import as_store_error, as_user_error, error_code

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

Result = TypeVar("Result")
Item = TypeVar("Item")

# `obstore` retries connection errors, answers of 500 and above, and what may be asked twice; the
# other half, such as a write whose answer was lost, is retried here.
_RETRIES: "RetryConfig" = {
    "max_retries": 5,
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5)},
    "retry_timeout": timedelta(seconds=60),
}
_CLIENT: "ClientConfig" = {
    "timeout": timedelta(minutes=30),  # of a whole object, on a slow line
    "read_timeout": timedelta(seconds=20),  # without a byte
    "connect_timeout": timedelta(seconds=5),
    "allow_http": True,  # on loopback alone: `credentials` refuses it elsewhere
}
_ATTEMPTS = 4
_FIRST_PAUSE = 0.2  # seconds; twice as long each time, by chance up to half of it less
_AT_ONCE = 16  # requests of one call
_log = logging.getLogger(__name__)


def open_s3(address: str) -> "S3Store":
    """The store of a data root, with what the environment says of endpoint and credentials.

    Raises:
        InputError: that cannot be used, or `obstore` is not installed.
    """
    options: dict[str, Any] = options_of_store()
    try:
        from obstore.store import S3Store
    except ImportError:
        raise InputError(
            "the package obstore is not installed", address, "run `pip install 'headlines[s3]'`"
        ) from None
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            client_options=_CLIENT,
            retry_config=_RETRIES,
            **options,
        )
    except Exception as error:
        raise InputError(
            f"the settings of the store cannot be used ({type(error).__name__})",
            address,
            "see that the variables AWS_… are right",
        ) from None  # the error may repeat them


def with_retries(ask: Callable[[], Result], where: str) -> Result:
    """What a request gives that is made again, with pauses, while it fails in passing.

    Args:
        ask: makes it.
        where: the address of what it is about.

    Raises:
        InputError: the caller can fix it.
        FileNotFoundError: there is no such object.
        StoreError: it failed again and again.
        PreconditionFailed: `ask` raised it.
    """
    pause = _FIRST_PAUSE
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return ask()
        except (InputError, PreconditionFailed, StoreError):
            raise
        except FileNotFoundError as error:
            refuse_without_bucket(error, where)
            raise FileNotFoundError(errno.ENOENT, "the object is gone", where) from None
        except Exception as error:
            if not _of_store(error):
                raise
            if (problem := as_user_error(error, where)) is not None:
                raise problem from None
            failure = as_store_error(error, where)
        if attempt < _ATTEMPTS:
            _log.info("%s; asking again", failure)
            time.sleep(pause * random.uniform(0.5, 1))
            pause *= 2
    raise failure from None


def refuse_without_bucket(error: FileNotFoundError, where: str) -> None:
    """See that what is not there is an object, and not the bucket.

    Raises:
        InputError: it is the bucket.
    """
    if error_code(error) == "NoSuchBucket":
        problem = as_user_error(error, where)
        assert problem is not None
        raise problem from None


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What a function that asks the store gives for each item, some requests at a time."""
    todo = list(items)
    if len(todo) == 1:
        yield function(todo[0])
    elif todo:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headlines-store") as pool:
            yield from pool.map(function, todo)


def conditional_writes() -> bool:
    """Whether `HEADLINES_CONDITIONAL_WRITES` trusts the store to heed the conditions of writes.

    Raises:
        InputError: it is neither `on`, the default, nor `off`.
    """
    setting = os.environ.get("HEADLINES_CONDITIONAL_WRITES") or "on"
    if setting not in ("on", "off"):
        raise InputError(
            f"{setting!r} is neither on nor off", "HEADLINES_CONDITIONAL_WRITES", "use one of them"
        )
    return setting == "on"


def _of_store(error: Exception) -> bool:
    from obstore.exceptions import BaseError

    if isinstance(error, OSError):
        return error.errno is None  # else it is of this machine's own disk
    return isinstance(error, BaseError)
