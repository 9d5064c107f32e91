"""One data root in a bucket: objects by their names below it, each request retried with backoff."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError, PreconditionFailed
from headlines.storage.bucket.errors import as_user_error, error_code
from headlines.storage.bucket.requests import (
    conditional_writes,
    open_s3,
    refuse_without_bucket,
    with_retries,
)

if TYPE_CHECKING:
    from obstore import PutMode

_PIECE = 4 << 20  # bytes of a download that are written at once
_CONFLICT = "ConditionalRequestConflict"  # Amazon's, while another write is under way: ask again


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing says of an object.

    Attributes:
        name: below the data root.
        etag: changes with its content.
        size: in bytes.
        changed: when it was written, by the store's clock.
    """

    name: str
    etag: str
    size: int
    changed: datetime


@dataclass(frozen=True)
class ObjectBody:
    """A small object that was read."""

    body: bytes
    etag: str


class Bucket:
    """The objects of one data root.

    All methods raise `InputError` for what the caller can fix and `StoreError` for what may pass;
    neither repeats what the store has said but for its error code.

    Attributes:
        address: `s3://bucket/prefix`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.conditional = conditional_writes()
        self._store = open_s3(address)

    def where(self, name: str) -> str:
        """The whole address of an object."""
        return f"{self.address}/{name}"

    def get(self, name: str, unless: str | None = None) -> ObjectBody | bool | None:
        """A small object; None where there is none, False where its etag is still `unless`."""
        import obstore
        from obstore.exceptions import NotModifiedError

        def ask() -> ObjectBody | bool | None:
            try:
                found = obstore.get(
                    self._store, name, options={"if_none_match": unless} if unless else None
                )
                return ObjectBody(bytes(found.bytes()), found.meta["e_tag"] or "")
            except NotModifiedError:
                return False
            except FileNotFoundError as error:
                refuse_without_bucket(error, self.where(name))
                return None

        return with_retries(ask, self.where(name))

    def read(self, name: str) -> ObjectBody | None:
        """A small object; None where there is none."""
        found = self.get(name)
        assert not isinstance(found, bool)
        return found

    def head(self, name: str) -> ObjectInfo | None:
        """What is known of an object; None where there is none."""
        import obstore

        def ask() -> ObjectInfo | None:
            try:
                return _stored(obstore.head(self._store, name))
            except FileNotFoundError as error:
                refuse_without_bucket(error, self.where(name))
                return None

        return with_retries(ask, self.where(name))

    def list(self, folder: str) -> list[ObjectInfo]:
        """All objects below a folder, in order of name. One request for each 1,000."""
        import obstore

        def ask() -> list[ObjectInfo]:
            return [_stored(meta) for meta in obstore.list(self._store, folder or None).collect()]

        return sorted(with_retries(ask, self.where(folder)), key=lambda one: one.name)

    def download(self, name: str, target: Path) -> ObjectInfo:
        """Write an object into a file.

        Raises:
            FileNotFoundError: it is gone.
        """
        import obstore

        def ask() -> ObjectInfo:
            found = obstore.get(self._store, name)
            size = 0
            with target.open("wb") as file:
                for piece in found.stream(_PIECE):
                    size += file.write(piece)
            stored = _stored(found.meta)
            if size != stored.size:
                raise ConnectionError("the object ends too early")
            return stored

        return with_retries(ask, self.where(name))

    def upload(self, source: Path | bytes, name: str) -> str:
        """Write an object, whatever stands there; return its etag.

        To be used for names that no one else writes.
        """
        import obstore

        return with_retries(
            lambda: obstore.put(self._store, name, source)["e_tag"] or "", self.where(name)
        )

    def replace(self, name: str, body: bytes, over: str | None) -> str:
        """Write a small object in the place of the one that was read; return its etag.

        Args:
            name: of the object.
            body: what no other writer would write, so that a write whose answer was lost is known
                for the own one again.
            over: the etag that was read; None where there was none.

        Raises:
            Changed: another one stands there now.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: PutMode = "overwrite"
        if self.conditional:
            mode = "create" if over is None else {"e_tag": over}

        def ask() -> str:
            if not self.conditional and self._etag(name) != over:
                raise PreconditionFailed(self.where(name))
            try:
                return obstore.put(self._store, name, body, mode=mode)["e_tag"] or ""
            except Exception as error:
                refused = isinstance(error, AlreadyExistsError | PreconditionError)
                if not refused and as_user_error(error, name) is not None:
                    raise
                # It may have been done all the same, its answer lost, and refused when `obstore`
                # asked again.
                found = self.read(name)
                if found is not None and found.body == body:
                    return found.etag
                if refused and error_code(error) != _CONFLICT:
                    raise PreconditionFailed(self.where(name)) from None
                raise

        return with_retries(ask, self.where(name))

    def copy(self, name: str, to: str) -> None:
        """Copy an object within the bucket, without a way through this machine.

        Raises:
            FileNotFoundError: it is gone.
        """
        import obstore

        with_retries(lambda: obstore.copy(self._store, name, to), self.where(name))

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, wherever they are there."""
        import obstore

        if names:
            with_retries(lambda: obstore.delete(self._store, list(names)), self.where(names[0]))

    def require_writable(self) -> None:
        """Find out whether objects can be written and deleted, and conditions are heeded.

        Raises:
            InputError: they cannot, or are not.
        """
        name = f".work/probe-{os.urandom(8).hex()}"
        try:
            self.read(name)  # some stores make a bucket that is written to and is not there
            self.replace(name, name.encode(), None)
            if self.conditional:
                with contextlib.suppress(PreconditionFailed):
                    self.replace(name, b"other", None)
                    raise InputError(
                        "the store does not heed the condition of a write (If-None-Match), so two "
                        "runs could overwrite each other's results",
                        self.address,
                        "use a store that does, or set HEADLINES_CONDITIONAL_WRITES=off and see "
                        "that only one run at a time works on this data root",
                    )
        except OSError as error:
            raise InputError(
                str(error.strerror or error).removeprefix(f"{self.where(name)}: "),
                self.address,
                "`headlines doctor` says whether it works again",
            ) from None
        finally:
            with contextlib.suppress(OSError, InputError):
                self.delete([name])

    def _etag(self, name: str) -> str | None:
        found = self.read(name)  # not `head`: a refusal of that does not say why
        return found.etag if found else None


def _stored(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["e_tag"] or "", meta["size"], meta["last_modified"])
