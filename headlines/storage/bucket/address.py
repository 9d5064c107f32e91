"""Addresses of buckets, and where the mirror of each lies on this machine."""

import hashlib
import os
import re
from pathlib import Path

from headlines.errors import InputError

SCHEME = "s3://"
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.=+-]+)*)/*")
_MIRROR = re.compile(r".*?/s3-[0-9a-f]{16}(?=/|$)")
_MARKER = ".bucket-address"


def parse_url(text: str) -> str:
    """The URL of a data root in a bucket, without a slash at its end.

    Raises:
        InputError: it is not one, or says more than bucket and prefix, such as a password.
    """
    return checked_address(text)


def checked_address(text: str) -> str:
    """The address of a data root in a bucket, without a slash at its end.

    Raises:
        InputError: it is none, or says more than bucket and prefix, such as a password.
    """
    found = _ADDRESS.fullmatch(text)
    if not found or ".." in text:
        holds_keys = "@" in text or text.count(":") > 1  # it is not repeated then
        told = "what is given" if holds_keys else repr(text)
        raise InputError(
            f"{told} is neither a directory on this machine nor a data root in a bucket",
            "HEADLINES_DATA",
            "give it as s3://BUCKET/PREFIX, the prefix of letters, digits and ._=+-; credentials "
            "go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return f"{SCHEME}{found[1]}{found[2]}"


def cache_directory(address: str) -> Path:
    """Where the mirror of a bucket lies: the same place on every machine with these settings.

    That is a folder below `HEADLINES_CACHE`, else below the user's cache directory.
    """
    cache = os.environ.get("HEADLINES_CACHE")
    if not cache:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache = f"{base}/headlines"
    name = hashlib.sha256(checked_address(address).encode()).hexdigest()[:16]
    return Path(cache).expanduser().resolve() / f"s3-{name}"


def root_of_mirror(path: Path) -> Path | None:
    """The mirror that a path lies in, told by its name alone; None where it lies in none."""
    found = _MIRROR.match(str(path))
    return Path(found[0]) if found else None


def address_of_mirror(root: Path) -> str | None:
    """The address of the bucket that a mirror is of; None if the directory is no mirror.

    A mirror that is not there yet, as on a machine that only works for another, is made if
    `HEADLINES_DATA` names its bucket.
    """
    marker = root / _MARKER
    try:
        return checked_address(marker.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        address = os.environ.get("HEADLINES_DATA", "")
        if not address.startswith(SCHEME) or cache_directory(address).name != root.name:
            return None
    address = checked_address(address)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker.write_text(f"{address}\n", encoding="utf-8")
    return address
