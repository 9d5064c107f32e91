"""The manifest of an artifact in a bucket, which also says which objects are its parts.

A bucket has no rename. So every write gives its parts names of its own, with a write id in them,
and the manifest names that id: it is written last, and readers trust it alone. A manifest without a
write id is that of a local data root that was copied into the bucket; its parts have plain names.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from headlines.storage.bucket.objects import ObjectBody
from headlines.storage.manifest import Manifest, dump_signed, load_signed

_WRITE_ID = re.compile(r"-([0-9a-f]{16})(?:\.[^./]*)?$")
_TOMBSTONE_BYTES = 48  # less than any manifest has


@dataclass(frozen=True)
class RemoteManifest:
    """A manifest of a bucket.

    Attributes:
        manifest: as it is on a disk.
        write_id: in the names of its parts; empty for plain names.
        etags: of each part, by its path in the artifact; none for plain names.
    """

    manifest: Manifest
    write_id: str
    etags: dict[str, str]

    def to_bytes(self) -> bytes:
        """The content of its object."""
        data = load_signed(self.manifest.to_json())
        parts = {"writer": self.write_id, "etags": self.etags}
        return dump_signed({**data, "parts": parts}).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "RemoteManifest":
        """Read the content of its object.

        Raises:
            ValueError: it is not the manifest of a bucket.
        """
        data: dict[str, Any] = load_signed(body.decode())
        if "parts" not in data:
            return cls(Manifest.from_json(body.decode()), "", {})
        parts = data.pop("parts")
        if not isinstance(parts, Mapping) or set(parts) != {"writer", "etags"}:
            raise ValueError("it does not say which objects are its parts")
        write_id, etags = str(parts["writer"]), dict(parts["etags"])
        manifest = Manifest.from_json(dump_signed(data))
        if not re.fullmatch("[0-9a-f]{16}", write_id) or set(etags) != {
            entry.path for entry in manifest.files
        }:
            raise ValueError("its parts are not its files")
        return cls(manifest, write_id, etags)

    def part_name(self, path: str) -> str:
        """The object of a data file, below the artifact's name."""
        return part_name(path, self.write_id)


@dataclass(frozen=True)
class RemoteState:
    """What a bucket has where an artifact's manifest is expected.

    Attributes:
        etag: of the object; None where there is none.
        remote: the manifest; None where there is no artifact, or it cannot be read.
        problem: why it cannot be read; empty where it can, or there is no artifact.
    """

    etag: str | None = None
    remote: RemoteManifest | None = None
    problem: str = ""

    @classmethod
    def of(cls, content: ObjectBody | None) -> "RemoteState":
        """What the object of a manifest says; `content` is None where there is none."""
        if content is None:
            return cls()
        if is_tombstone(len(content.body)):
            return cls(content.etag)
        try:
            return cls(content.etag, RemoteManifest.from_bytes(content.body))
        except ValueError as error:
            return cls(content.etag, problem=str(error) or "it is empty")

    @property
    def exists(self) -> bool:
        """Whether there is an artifact, even a damaged one."""
        return self.remote is not None or bool(self.problem)


def new_write_id() -> str:
    """An id for one attempt to publish."""
    return secrets.token_hex(8)


def part_name(path: str, write_id: str) -> str:
    """The object of a data file: `dev/part-0-<id>.parquet` for `dev/part-0.parquet`."""
    if not write_id:
        return path
    whole = PurePosixPath(path)
    return (whole.parent / f"{whole.stem}-{write_id}{whole.suffix}").as_posix()


def write_id_of(name: str) -> str | None:
    """The write id in the name of a part; None for anything else."""
    match = _WRITE_ID.search(name)
    return match[1] if match else None


def tombstone() -> bytes:
    """What replaces the manifest of an artifact that is removed; no two are the same.

    The manifest is not deleted: that could hit the one of a writer that came in between.
    """
    return f"gone {secrets.token_hex((_TOMBSTONE_BYTES - 6) // 2)}\n".encode()


def is_tombstone(size: int) -> bool:
    """Whether an object of that size is a tombstone."""
    return size == _TOMBSTONE_BYTES
