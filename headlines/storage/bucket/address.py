"""URLs of data roots in buckets, and the directory that this machine has for each."""

import hashlib
import os
import re
from pathlib import Path

from headlines.errors import InputError

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.=+-]+)*)/*")


def parse_url(text: str) -> str:
    """The URL of a data root in a bucket, without a slash at its end.

    Raises:
        InputError: it is not one, or says more than bucket and prefix, such as a password.
    """
    match = _URL.fullmatch(text)
    if not match or ".." in text:
        holds_keys = "@" in text or text.count(":") > 1  # then it is not repeated
        raise InputError(
            f"{'the value' if holds_keys else repr(text)} is neither a directory on this machine "
            "nor a data root in a bucket",
            "HEADLINES_DATA",
            "give it as s3://BUCKET/PREFIX, the prefix of letters, digits and ._=+-; credentials "
            "go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return f"s3://{match[1]}{match[2]}"


def cache_directory(url: str) -> Path:
    """The directory of this machine for a data root in a bucket.

    It is below `HEADLINES_CACHE`, else below the user's cache directory.
    """
    cache = os.environ.get("HEADLINES_CACHE")
    if not cache:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache = f"{base}/headlines"
    name = hashlib.sha256(parse_url(url).encode()).hexdigest()[:16]
    return Path(cache).expanduser().resolve() / f"s3-{name}"
