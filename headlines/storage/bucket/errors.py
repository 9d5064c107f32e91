"""Errors of a store, in words that a person can act on.

Nothing of the store's own text is passed on but its error code: some stores repeat the access key.
"""

import re

from headlines.errors import InputError, StoreError

_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

_BY_CODE = {
    "NoSuchBucket": (
        "there is no such bucket",
        "make it, or set HEADLINES_DATA to one that is there; the endpoint is that of "
        "AWS_ENDPOINT_URL, else Amazon's",
    ),
    "AccessDenied": (
        "the store does not permit it",
        "give these credentials the permissions s3:ListBucket, s3:GetObject, s3:PutObject and "
        "s3:DeleteObject for the bucket, or use others",
    ),
    "InvalidAccessKeyId": ("the store does not know the access key", "check AWS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (
        "the secret key does not fit the access key",
        "check AWS_SECRET_ACCESS_KEY; behind a proxy, see that it leaves the request as it is",
    ),
    "ExpiredToken": ("the credentials have expired", "get new ones"),
    "InvalidToken": ("the session token is not valid", "renew AWS_SESSION_TOKEN or unset it"),
    "RequestTimeTooSkewed": (
        "this machine's clock differs too much from the store's",
        "set the clock (NTP)",
    ),
    "PermanentRedirect": ("the bucket is in another region", "set AWS_REGION to the bucket's"),
    "NotImplemented": (
        "the store cannot do what is asked of it",
        "use another one; if it is conditional writes that it does not know, set "
        "HEADLINES_CONDITIONAL_WRITES=off and see that only one run at a time works on this data "
        "root",
    ),
    "InvalidBucketName": ("the store takes no bucket of that name", "correct HEADLINES_DATA"),
}
_SAME = {
    "AuthorizationHeaderMalformed": "PermanentRedirect",
    "IllegalLocationConstraintException": "PermanentRedirect",
    "TemporaryRedirect": "PermanentRedirect",
    "AllAccessDisabled": "AccessDenied",
    "TokenRefreshRequired": "ExpiredToken",
    "AuthFailure": "SignatureDoesNotMatch",
    "403": "AccessDenied",
    "401": "AccessDenied",
    "301": "PermanentRedirect",
}
_METADATA_SERVICE = "169.254.169.254"


def error_code(error: BaseException) -> str:
    """The error code that the store gave, else the HTTP status, else nothing."""
    text = str(error)
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found else ""


def as_user_error(error: BaseException, where: str) -> InputError | None:
    """The error as one that the caller can fix; None for all that may pass by itself."""
    if _METADATA_SERVICE in str(error):
        return InputError(
            "no credentials were found",
            where,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    code = error_code(error)
    known = _BY_CODE.get(_SAME.get(code, code))
    return InputError(f"{known[0]} ({code})", where, known[1]) if known else None


def as_store_error(error: BaseException, where: str) -> StoreError:
    """The error of a store that was asked again and again."""
    text = str(error)
    if code := error_code(error):
        what = f"the store fails ({code})"
    elif "kind: Connect" in text:
        what = "the store cannot be reached"
    elif "kind: Timeout" in text:
        what = "the store does not answer in time"
    else:
        what = "the connection to the store breaks"
    return StoreError(
        f"{where}: {what}, and was asked several times; see that AWS_ENDPOINT_URL and the network "
        "are right, and run it again"
    )
