"""The manifest of an artifact: what it was made from, by what, and what it holds."""

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "_manifest.json"
_FORMAT = 1
_LARGEST = 64 * 2**20  # bytes of a manifest; one that names 100,000 files has 25 MiB


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
                _require_inside(entry.path, "artifact")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the manifest cannot be read ({error})") from error
        return manifest


def _source(data: dict[str, Any]) -> Source:
    source = Source(**{**data, "files": tuple(data.get("files", ()))})
    if not isinstance(source.path, str) or not isinstance(source.sha256, str):
        raise ValueError(f"{data!r:.80} is no input")
    for name in source.files:
        _require_inside(name, f"folder {source.path!r}")
    return source


def _require_inside(name: str, place: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the file name {name!r} leaves the {place}")


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
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("digest", None) != digest_of(data):
            raise ValueError("its content is not what its digest says")
    except RecursionError as error:
        raise ValueError("its JSON is nested beyond all measure") from error
    return data


def read_small(path: Path) -> str:
    """The text of a manifest or another file of that kind.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8; or no file (a pipe would never end) or too large to be one, in
            which case it is not read at all.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if found.st_size > _LARGEST:
        raise ValueError(f"it has {found.st_size:,} bytes, and at most {_LARGEST:,} are read")
    return path.read_text(encoding="utf-8")


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
