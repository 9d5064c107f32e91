"""The manifest of an artifact as it stands in a bucket, where it also says where the parts lie.

There is no rename in a bucket. So every writer gives its parts names of their own, with its id in
them, and the manifest names the writer: it comes last, and readers trust it alone. A manifest that
names no writer is one of a local data root that was copied into the bucket; its parts lie under
their plain names.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from headlines.storage.manifest import Manifest, dump_signed, load_signed

_WRITER = re.compile(r"-([0-9a-f]{16})(?:\.[^./]*)?$")
_GONE = 48  # bytes of what stands in the place of a manifest that was taken away


@dataclass(frozen=True)
class RemoteManifest:
    """A manifest of a bucket.

    Attributes:
        text: the manifest as it stands on disk.
        writer: whose parts it names; empty for plain names.
        etags: of each part, by its path in the artifact; none for plain names.
    """

    text: str
    writer: str
    etags: dict[str, str]

    def to_bytes(self) -> bytes:
        """The content of its object."""
        data = load_signed(self.text)
        return dump_signed({**data, "parts": {"writer": self.writer, "etags": self.etags}}).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "RemoteManifest":
        """Read the content of its object.

        Raises:
            ValueError: it is no manifest of a bucket.
        """
        data: dict[str, Any] = load_signed(body.decode())
        if "parts" not in data:
            Manifest.from_json(body.decode())
            return cls(body.decode(), "", {})
        parts = data.pop("parts")
        if not isinstance(parts, Mapping) or set(parts) != {"writer", "etags"}:
            raise ValueError("it does not say where its parts lie")
        text = dump_signed(data)
        writer, etags = str(parts["writer"]), dict(parts["etags"])
        named = {entry.path for entry in Manifest.from_json(text).files}
        if not re.fullmatch("[0-9a-f]{16}", writer) or named != set(etags):
            raise ValueError("the parts it names are not its files")
        return cls(text, writer, etags)


def new_write_id() -> str:
    """An id for one try to publish."""
    return secrets.token_hex(8)


def part_name(path: str, writer: str) -> str:
    """The name of a writer's part: `dev/part-0-<id>.parquet` for `dev/part-0.parquet`."""
    if not writer:
        return path
    whole = PurePosixPath(path)
    return (whole.parent / f"{whole.stem}-{writer}{whole.suffix}").as_posix()


def writer_of(name: str) -> str | None:
    """The writer that a part's name tells; None for what is no part."""
    found = _WRITER.search(name)
    return found[1] if found else None


def tombstone() -> bytes:
    """What replaces the manifest of an artifact that is taken away: the same never comes twice.

    It is no mere deletion, which would also hit the manifest of a writer that came meanwhile.
    """
    return f"gone {secrets.token_hex((_GONE - 6) // 2)}\n".encode()


def is_tombstone(size: int) -> bool:
    """Whether an object of that size stands for no artifact: no manifest is as short."""
    return size == _GONE
