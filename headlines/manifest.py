"""The manifest of an artifact: what it was made from, by what, and what it holds."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "_manifest.json"
_FORMAT = 1


@dataclass(frozen=True)
class Source:
    """Something an artifact was made from: another artifact, or a file from outside.

    Attributes:
        path: relative to the data root where it lies below it, else absolute.
        sha256: digest of the file's bytes, for several files of all of them; for an artifact,
            its key.
        rows: how many rows it holds, where that is known.
        files: where `path` is a folder of files, their names in it; empty for all else.
    """

    path: str
    sha256: str
    rows: int | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """All that decides an artifact's content.

    Attributes:
        stage: name of the stage that makes it.
        version: version of that stage's code; raised when its result changes.
        sources: what it is made from.
        config: plain data; whatever else the result depends on.
    """

    stage: str
    version: int
    sources: tuple[Source, ...]
    config: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Digest (64 hexadecimal digits) over stage, version, source digests and config."""
        return digest_of(
            {
                "stage": self.stage,
                "version": self.version,
                "sources": [source.sha256 for source in self.sources],
                "config": dict(self.config),
            }
        )


@dataclass(frozen=True)
class DataFile:
    """One file of an artifact: its path inside it, digest, size, and rows if it is Parquet."""

    path: str
    sha256: str
    bytes: int
    rows: int | None


@dataclass(frozen=True)
class Manifest:
    """What `_manifest.json` says. `created_at`, `seconds` and `versions` are no part of the key."""

    key: str
    stage: str
    stage_version: int
    inputs: tuple[Source, ...]
    config: dict[str, Any]
    files: tuple[DataFile, ...]
    counts: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    seconds: float = 0.0

    def to_json(self) -> str:
        """The manifest as the text of its file."""
        data = asdict(self)
        for source in data["inputs"]:
            if not source["files"]:
                del source["files"]
        return sealed({"format": _FORMAT, **data})

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read the text of a manifest.

        Raises:
            ValueError: it is not one of this format.
        """
        try:
            data = unsealed(text)
            if data.pop("format") != _FORMAT:
                raise ValueError("its format is not known")
            data["inputs"] = tuple(_source(source) for source in data["inputs"])
            data["files"] = tuple(DataFile(**entry) for entry in data["files"])
            manifest = cls(**data)
            for entry in manifest.files:
                inside = PurePosixPath(entry.path)
                if inside.is_absolute() or ".." in inside.parts:
                    raise ValueError(f"the file name {entry.path!r} leaves the artifact")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the manifest cannot be read ({error})") from error
        return manifest


def _source(data: dict[str, Any]) -> Source:
    return Source(**{**data, "files": tuple(data.get("files", ()))})


def digest_of(data: object) -> str:
    """SHA-256 (hexadecimal) of plain data, independent of the order of its keys."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(data: Mapping[str, Any]) -> str:
    """Plain data as JSON text that ends with a digest of all before it."""
    data = {**data, "digest": digest_of(data)}
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def unsealed(text: str) -> dict[str, Any]:
    """The plain data in the text that `sealed` gave.

    Raises:
        ValueError: it is not that text any more.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop("digest", None) != digest_of(data):
        raise ValueError("its content is not what its digest says")
    return data


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
