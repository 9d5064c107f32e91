"""The artifact: a directory of data files with a manifest that says what they are made from.

Every stage turns inputs into one artifact. This module alone writes and reads them:

- a draft is written in `<root>/.work`, its files and directory are synced, and one rename
  publishes it, so a reader sees the whole artifact or none of it;
- the manifest's key is a digest of all that decides the content, so a stage whose key already
  has a valid artifact reuses it;
- opening an artifact checks the digest of every file.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import logging
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from headlines.catalog import Catalog
from headlines.errors import DamagedArtifact

MANIFEST = "_manifest.json"
_FORMAT = 1
_log = logging.getLogger(__name__)
_draft_numbers = itertools.count()
# Tells this process from one before it that had the same id, as in a container started again.
_PROCESS = secrets.token_hex(4)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Source:
    """Something an artifact was made from: another artifact, or a file from outside.

    Attributes:
        path: relative to the data root where it lies below it, else absolute.
        sha256: digest of the file's bytes; for an artifact, its key.
        rows: how many rows it holds, where that is known.
    """

    path: str
    sha256: str
    rows: int | None = None


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
        return sealed({"format": _FORMAT, **asdict(self)})

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
            data["inputs"] = tuple(Source(**source) for source in data["inputs"])
            data["files"] = tuple(DataFile(**entry) for entry in data["files"])
            manifest = cls(**data)
            for entry in manifest.files:
                inside = PurePosixPath(entry.path)
                if inside.is_absolute() or ".." in inside.parts:
                    raise ValueError(f"the file name {entry.path!r} leaves the artifact")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the manifest cannot be read ({error})") from error
        return manifest


@dataclass(frozen=True)
class Artifact:
    """A published artifact whose digests were checked.

    Attributes:
        directory: where it lies.
        manifest: what it says of itself.
        reused: whether it was there already.
    """

    directory: Path
    manifest: Manifest
    reused: bool = True

    @property
    def counts(self) -> dict[str, Any]:
        """The manifest's counts."""
        return self.manifest.counts

    @property
    def rows(self) -> int:
        """Rows of all its Parquet files."""
        return sum(entry.rows or 0 for entry in self.manifest.files)

    def files(self, suffix: str = "") -> list[Path]:
        """Its data files with that ending, in order of name."""
        return [self.directory / f.path for f in self.manifest.files if f.path.endswith(suffix)]

    def as_source(self, catalog: Catalog) -> Source:
        """This artifact as the input of another."""
        return Source(catalog.relative(self.directory), self.manifest.key, self.rows)


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


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of an artifact, its files unchecked; None where no artifact is.

    Raises:
        DamagedArtifact: the directory is there without a manifest that can be read.
    """
    if not directory.exists():
        return None
    try:
        return Manifest.from_json((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedArtifact(str(directory), f"{MANIFEST}: {error}") from error


def open_artifact(directory: Path) -> Artifact | None:
    """Open an artifact and check the digest of every file; None where no artifact is.

    Raises:
        DamagedArtifact: a file is missing, altered, or not named by the manifest.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        return None
    try:
        _check_files(directory, manifest)
    except OSError as error:
        raise DamagedArtifact(str(directory), str(error)) from error
    return Artifact(directory, manifest)


def _check_files(directory: Path, manifest: Manifest) -> None:
    found = {path.relative_to(directory).as_posix() for path in _data_files(directory)}
    named = {entry.path for entry in manifest.files}
    if found != named:
        raise DamagedArtifact(
            str(directory),
            f"missing files {sorted(named - found)}, files not in the manifest "
            f"{sorted(found - named)}",
        )
    for entry in manifest.files:
        path = directory / entry.path
        if path.stat().st_size != entry.bytes or file_digest(path) != entry.sha256:
            raise DamagedArtifact(str(directory), f"{entry.path} is not what the manifest says")


def find(catalog: Catalog, target: Path, key: str) -> Artifact | None:
    """The valid artifact at `target` if it has that key, else None.

    A damaged one is set aside with a warning, so that the caller can make it anew.
    """
    try:
        artifact = open_artifact(target)
    except DamagedArtifact as damage:
        set_aside(catalog, target, damage.reason)
        return None
    return artifact if artifact and artifact.manifest.key == key else None


def set_aside(catalog: Catalog, target: Path, reason: str) -> Path | None:
    """Move a damaged artifact out of the readers' way, with a warning.

    Returns:
        Where it lies now; None if another process moved or replaced it first.
    """
    with _publishing(catalog):
        with contextlib.suppress(DamagedArtifact):
            # What was found damaged may have been replaced by a whole one since, or while it was
            # read: that one stays.
            open_artifact(target)
            return None
        place = _free_name(catalog.work / "damaged" / target.relative_to(catalog.root))
        place.parent.mkdir(parents=True, exist_ok=True)
        target.rename(place)
    _log.warning("%s is damaged (%s); set aside as %s", target, reason, place)
    return place


def publish(
    catalog: Catalog,
    target: Path,
    recipe: Recipe,
    make: Callable[[Path], dict[str, Any]],
    *,
    versions: Mapping[str, str] | None = None,
    keep_superseded: bool = False,
) -> Artifact:
    """Make an artifact and publish it at `target`; reuse a valid one with the same key.

    Args:
        catalog: the data root.
        target: directory to publish; at most one artifact is ever there.
        recipe: what decides its content.
        make: writes the data files below the directory it is given and returns the counts.
        versions: libraries whose versions are worth knowing afterwards.
        keep_superseded: whether an artifact of another key that stands at `target` is kept in
            `superseded/`; else it is removed.

    Returns:
        The artifact: this one, or that of another writer of the same key who was first.

    Raises:
        OSError: it cannot be written, e.g. for want of space; what stood there stands unchanged.
    """
    if existing := find(catalog, target, recipe.key):
        return existing
    started = time.monotonic()
    with _draft(catalog, target) as draft:
        counts = make(draft)
        manifest = Manifest(
            key=recipe.key,
            stage=recipe.stage,
            stage_version=recipe.version,
            inputs=recipe.sources,
            config=dict(recipe.config),
            files=tuple(_described(draft, path) for path in _data_files(draft)),
            counts=counts,
            versions=dict(versions or {}),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 3),
        )
        _write_synced(draft / MANIFEST, manifest.to_json().encode())
        _sync_tree(draft)
        with _publishing(catalog):
            if (first := _same_key(target, recipe.key)) is not None:
                return first
            _take_away(catalog, target, keep_superseded=keep_superseded)
            _make_directory(target.parent)
            draft.rename(target)
            sync_directory(target.parent)
    return Artifact(target, manifest, reused=False)


def remove(catalog: Catalog, target: Path, *, keep_superseded: bool = False) -> None:
    """Take an artifact away in one step, into `superseded/` if it is to be kept."""
    with _publishing(catalog):
        _take_away(catalog, target, keep_superseded=keep_superseded)


def _take_away(catalog: Catalog, target: Path, *, keep_superseded: bool) -> None:
    if not target.exists():
        return
    if keep_superseded:
        place = _free_name(catalog.superseded(target))
        _make_directory(place.parent)
        target.rename(place)
        sync_directory(place.parent)
        return
    with _draft(catalog, target) as bin_directory:
        target.rename(bin_directory / "removed")


def write_atomically(catalog: Catalog, path: Path, content: bytes) -> None:
    """Replace one small file as a whole: a reader sees the old content or the new."""
    _make_directory(path.parent)
    with _draft(catalog, path) as draft:
        _write_synced(draft / path.name, content)
        (draft / path.name).rename(path)
        sync_directory(path.parent)


def _make_directory(directory: Path) -> None:
    """Make a directory, and those above it, so that a power cut does not take them away again."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Have the file system write a directory's entries to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_drafts(catalog: Catalog) -> int:
    """Remove the drafts of processes of this machine that no longer run; return how many."""
    swept = 0
    name = re.compile(rf"draft-{re.escape(socket.gethostname())}-(\d{{1,9}})-([0-9a-f]{{8}})-\d+")
    for draft in catalog.work.glob("draft-*"):
        if (found := name.fullmatch(draft.name)) and not _is_running(int(found[1]), found[2]):
            shutil.rmtree(draft, ignore_errors=True)
            swept += 1
    return swept


@contextlib.contextmanager
def locked(catalog: Catalog, name: str) -> Iterator[None]:
    """Hold a lock of the data root that the processes of one machine respect."""
    catalog.work.mkdir(parents=True, exist_ok=True)
    with (catalog.work / f"{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _publishing(catalog: Catalog) -> contextlib.AbstractContextManager[None]:
    # Held for a few renames only: without it a slow writer could take away the artifact that a
    # quicker one has just put in the place of an older one.
    return locked(catalog, "publishing")


def _same_key(target: Path, key: str) -> Artifact | None:
    try:
        manifest = read_manifest(target)
    except DamagedArtifact:
        return None
    return Artifact(target, manifest) if manifest and manifest.key == key else None


@contextlib.contextmanager
def _draft(catalog: Catalog, target: Path) -> Iterator[Path]:
    name = f"draft-{socket.gethostname()}-{os.getpid()}-{_PROCESS}-{next(_draft_numbers)}"
    draft = catalog.work / name
    draft.mkdir(parents=True)
    try:
        yield draft
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            error.filename = str(target)  # a failed write does not say what it was for
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # after a rename there is nothing left of it


def _data_files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file() and p != directory / MANIFEST)


def _described(directory: Path, path: Path) -> DataFile:
    rows = None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(path).num_rows
    name = path.relative_to(directory).as_posix()
    return DataFile(name, file_digest(path), path.stat().st_size, rows)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_tree(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_dir():
            sync_directory(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_directory(directory)


def _free_name(path: Path) -> Path:
    numbered = (path.with_name(f"{path.name}~{number}") for number in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())


def _is_running(pid: int, process: str) -> bool:
    if pid == os.getpid():
        return process == _PROCESS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
