"""The manifest of an artifact: what it was made from, by what, and what it holds."""

import json
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from headlines.hashing import json_digest

MANIFEST = "_manifest.json"
_FORMAT = 1
_MAX_BYTES = 64 * 2**20  # bytes of a manifest; one that names 100,000 files has 25 MiB


@dataclass(frozen=True)
class Input:
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
    sources: tuple[Input, ...]
    config: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Digest (64 hexadecimal digits) over stage, version, source digests and config."""
        return json_digest(
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
    inputs: tuple[Input, ...]
    config: dict[str, Any]
    files: tuple[DataFile, ...]
    counts: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        files: tuple[DataFile, ...],
        counts: dict[str, Any],
        versions: Mapping[str, str],
        started: float,
    ) -> "Manifest":
        """The manifest of data files that were made since `started` (of `time.monotonic`)."""
        return cls(
            key=recipe.key,
            stage=recipe.stage,
            stage_version=recipe.version,
            inputs=recipe.sources,
            config=dict(recipe.config),
            files=files,
            counts=counts,
            versions=dict(versions),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 3),
        )

    def to_json(self) -> str:
        """The manifest as the text of its file."""
        data = asdict(self)
        for source in data["inputs"]:
            if not source["files"]:
                del source["files"]
        return dump_signed({"format": _FORMAT, **data})

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read the text of a manifest.

        Raises:
            ValueError: it is not one of this format.
        """
        try:
            data = load_signed(text)
            if data.pop("format") != _FORMAT:
                raise ValueError("its format is not known")
            data["inputs"] = tuple(_input(source) for source in data["inputs"])
            data["files"] = tuple(DataFile(**entry) for entry in data["files"])
            manifest = cls(**data)
            for entry in manifest.files:
                _reject_escaping(entry.path, "artifact")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the manifest cannot be read ({error})") from error
        return manifest


def _input(data: dict[str, Any]) -> Input:
    source = Input(**{**data, "files": tuple(data.get("files", ()))})
    if not isinstance(source.path, str) or not isinstance(source.sha256, str):
        raise ValueError(f"{data!r:.80} is no input")
    for name in source.files:
        _reject_escaping(name, f"folder {source.path!r}")
    return source


def _reject_escaping(name: str, place: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the file name {name!r} leaves the {place}")


def dump_signed(data: Mapping[str, Any]) -> str:
    """Plain data as JSON text that ends with a digest of all before it."""
    data = {**data, "digest": json_digest(data)}
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def load_signed(text: str) -> dict[str, Any]:
    """The plain data in the text that `dump_signed` gave.

    Raises:
        ValueError: it is not that text any more.
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("digest", None) != json_digest(data):
            raise ValueError("its content is not what its digest says")
    except RecursionError as error:
        raise ValueError("its JSON is nested beyond all measure") from error
    return data


def read_text_limited(path: Path) -> str:
    """The text of a manifest or another file of that kind.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8; or no file (a pipe would never end) or too large to be one, in
            which case it is not read at all.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if found.st_size > _MAX_BYTES:
        raise ValueError(f"it has {found.st_size:,} bytes, and at most {_MAX_BYTES:,} are read")
    return path.read_text(encoding="utf-8")
