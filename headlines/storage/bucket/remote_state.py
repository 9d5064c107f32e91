"""What stands in a bucket in the place of an artifact, and the note of it in the mirror."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headlines.storage.bucket.objects import ObjectBody
from headlines.storage.bucket.old_manifest import RemoteManifest, is_tombstone
from headlines.storage.manifest import MANIFEST

_NOTE = ".bucket.json"


@dataclass(frozen=True)
class RemoteState:
    """What stands in the bucket in the place of an artifact.

    Attributes:
        etag: of the manifest's object; None where there is none.
        writer: whose parts it names; None where it cannot be read or there is none.
        etags: of its parts, as far as they are known.
        live: whether an artifact is there, be it damaged.
    """

    etag: str | None = None
    writer: str | None = None
    etags: dict[str, str] = field(default_factory=dict)
    live: bool = False


def standing_of(content: ObjectBody | None) -> tuple[RemoteState, str]:
    """What the object of a manifest says, and its text on disk."""
    if content is None:
        return RemoteState(), ""
    if is_tombstone(len(content.body)):
        return RemoteState(content.etag), ""
    try:
        placed = RemoteManifest.from_bytes(content.body)
    except ValueError:  # whoever reads it here finds it damaged
        return RemoteState(content.etag, live=True), content.body.decode(errors="replace")
    return RemoteState(content.etag, placed.writer, placed.etags, live=True), placed.text


def write_note(directory: Path, standing: RemoteState) -> None:
    """Note in an artifact's directory what its manifest was brought from."""
    (directory / _NOTE).write_text(json.dumps(asdict(standing)), encoding="utf-8")


def read_note(directory: Path) -> RemoteState | None:
    """What stood in the bucket when the manifest was brought here; None where none is here."""
    try:
        if not (directory / MANIFEST).is_file():
            return None
        return RemoteState(**json.loads((directory / _NOTE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
