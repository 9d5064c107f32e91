"""What the environment says of endpoint and credentials beyond what `obstore` reads itself.

`obstore` takes `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, web identities, and the roles of containers and instances. Profiles it does not.
"""

import configparser
import os
from pathlib import Path
from urllib.parse import urlsplit

from headlines.errors import InputError
from headlines.settings import is_loopback

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def options_of_store() -> dict[str, str]:
    """Options of an `S3Store` that come from a profile of the AWS configuration files.

    Raises:
        InputError: the endpoint is not safe, or the profile is not there or holds no keys.
    """
    _require_safe_endpoint()
    return {} if os.environ.get("AWS_ACCESS_KEY_ID") else _of_profile()


def _require_safe_endpoint() -> None:
    for name in _ENDPOINTS:
        parts = urlsplit(os.environ.get(name, ""))
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "the endpoint holds credentials", name, "leave them out: there are variables"
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise InputError(
                f"{parts.hostname} is beyond this machine, and http:// hides nothing on the way",
                name,
                "use https://",
            )


def _of_profile() -> dict[str, str]:
    name = os.environ.get("AWS_PROFILE")
    credentials = _parsed("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    config = _parsed("AWS_CONFIG_FILE", "~/.aws/config")
    profile = name or "default"
    section = f"profile {profile}" if profile != "default" else profile
    found = {
        **(dict(config[section]) if config.has_section(section) else {}),
        **(dict(credentials[profile]) if credentials.has_section(profile) else {}),
    }
    if "aws_access_key_id" not in found or "aws_secret_access_key" not in found:
        if name is None:
            return {}
        raise InputError(
            f"the profile {name!r} has no keys of its own" if found else f"no profile {name!r}",
            "AWS_PROFILE",
            "name one with aws_access_key_id and aws_secret_access_key; for others (SSO, roles) "
            "put what `aws configure export-credentials --format env` prints into the environment",
        )
    options = {
        "access_key_id": found["aws_access_key_id"],
        "secret_access_key": found["aws_secret_access_key"],
    }
    if token := found.get("aws_session_token"):
        options["session_token"] = token
    in_environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if (region := found.get("region")) and not in_environment:
        options["region"] = region
    return options


def _parsed(variable: str, default: str) -> configparser.ConfigParser:
    path = Path(os.environ.get(variable) or default).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"the file cannot be read ({type(error).__name__})", str(path), "correct it"
        ) from None  # the error repeats lines of the file
    return parser
