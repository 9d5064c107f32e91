"""The interface to a data root, wherever it lies: artifacts, small documents, and batch files.

Everything has a name relative to the root, such as `models/2026-11-20-0f3a9c1b`. An artifact is
published as a whole or not at all, and opened with the digests of its files checked. Names of
batch files may also be absolute paths: those of files outside the data root.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256
from headlines.storage.artifact import Artifact, data_files, describe_file
from headlines.storage.atomic import (
    file_lock,
    link_or_copy,
    staging_directory,
    write_durable,
)
from headlines.storage.layout import WORK
from headlines.storage.manifest import MANIFEST, Manifest, Recipe

Digest = Callable[[Path], str]
"""Gives the SHA-256 of a file, read or remembered."""


@dataclass(frozen=True)
class Document:
    """A small file as it was read, to be replaced only while it is unchanged.

    Attributes:
        name: relative to the data root.
        text: its content; None where it does not exist.
        etag: of its object in a bucket.
    """

    name: str
    text: str | None
    etag: str | None = None


class Store(ABC):
    """A data root: `LocalStore` or `BucketStore`.

    Attributes:
        url: of the data root: an absolute path, or `s3://bucket/prefix`.
        directory: of this machine: the data root itself, or the local side of a bucket.
    """

    url: str
    directory: Path

    @property
    def work(self) -> Path:
        """This machine's directory for drafts, locks and checkpoints.

        It is not next to results: DuckDB and Polars read hidden directories below a glob such as
        `predictions/**/*.parquet`.
        """
        return self.directory / WORK

    def location(self, name: str) -> str:
        """What people call something: its path, or its URL in a bucket."""
        return name if name.startswith("/") else f"{self.url}/{name}"

    @abstractmethod
    def require_writable(self) -> None:
        """Create the data root, and see that it can be written.

        Raises:
            InputError: it cannot.
        """

    # --- artifacts ---------------------------------------------------------------------------

    @abstractmethod
    def manifest(self, name: str) -> Manifest | None:
        """The manifest of an artifact, its files unchecked; None where there is no artifact.

        Raises:
            DamagedArtifact: there is no manifest that can be read.
        """

    @abstractmethod
    def has_manifest(self, name: str) -> bool:
        """Whether there is an artifact of that name, even a damaged one."""

    @abstractmethod
    def open(
        self, name: str, files: Collection[str] | None = None, *, key: str | None = None
    ) -> Artifact | None:
        """An artifact with its files on this machine, their digests checked.

        Args:
            name: of the artifact.
            files: those that are needed; None for all.
            key: that it must have; None for any.

        Returns:
            The artifact; None where there is none, or one of another key.

        Raises:
            DamagedArtifact: a file is missing, altered, a link, or not named by the manifest.
        """

    @abstractmethod
    def verify(self, name: str, digest: Digest = file_sha256) -> Artifact | None:
        """An artifact whose files are intact, though of a bucket not on this machine.

        On a disk digests are compared, in a bucket names, sizes and etags.

        Raises:
            DamagedArtifact: as `open` does.
        """

    @abstractmethod
    def list_artifacts(self, folder: str) -> list[str]:
        """The names of the artifacts right below a folder, sorted."""

    @abstractmethod
    def remove(self, name: str, *, keep_old: bool = False) -> None:
        """Remove an artifact in one step, if it exists; into `superseded/` with `keep_old`."""

    @abstractmethod
    def quarantine(self, name: str, reason: str) -> str | None:
        """Move a damaged artifact below `.work/damaged`, with a warning.

        Returns:
            Its location there; None if another process moved or replaced it first.
        """

    @abstractmethod
    def _commit(self, name: str, draft: Path, manifest: Manifest, *, keep_old: bool) -> Artifact:
        """Publish a draft with its manifest, unless one of the same key was published first."""

    def publish(
        self,
        name: str,
        recipe: Recipe,
        build: Callable[[Path], dict[str, Any]],
        *,
        versions: Mapping[str, str] | None = None,
        keep_old: bool = False,
    ) -> Artifact:
        """Build an artifact and publish it, or reuse a valid one with the same key.

        Args:
            name: of the artifact; a previous one is replaced.
            recipe: what decides its content.
            build: writes the data files below the directory it is given, and returns the counts.
            versions: of the libraries that matter.
            keep_old: keep a previous artifact of another key in `superseded/`.

        Returns:
            The artifact: this one, or that of another writer of the same key who was first.

        Raises:
            OSError: it cannot be written; the previous artifact is unchanged.
        """
        if existing := self.find(name, recipe.key):
            return existing
        started = time.monotonic()
        with self.staging(name) as draft:
            counts = build(draft)
            files = tuple(describe_file(draft, path) for path in data_files(draft))
            manifest = Manifest.of(recipe, files, counts, versions or {}, started)
            write_durable(draft / MANIFEST, manifest.to_json().encode())
            return self._commit(name, draft, manifest, keep_old=keep_old)

    def find(self, name: str, key: str) -> Artifact | None:
        """The valid artifact of that name and key, else None; a damaged one is quarantined."""
        try:
            return self.open(name, key=key)
        except DamagedArtifact as damage:
            self.quarantine(name, damage.reason)
            return None

    def artifact_of(self, name: str) -> str | None:
        """The artifact of that name, or that a file of that name is part of; None if neither is."""
        path = PurePosixPath(name)
        candidates = (str(candidate) for candidate in (path, *path.parents))
        return next((c for c in candidates if c not in (".", "/") and self.has_manifest(c)), None)

    def file(self, artifact: Artifact, file: str) -> Path:
        """A data file of an artifact that another machine may have published, its digest checked.

        Raises:
            DamagedArtifact: it is not what the manifest says, or the artifact is gone.
        """
        opened = self.open(artifact.name, [file], key=artifact.manifest.key)
        if opened is None:
            raise DamagedArtifact(artifact.location, "it no longer exists")
        return opened.directory / file

    def link_file(self, artifact: Artifact, file: str, target: Path) -> None:
        """Make a data file of an artifact part of a draft, as a hard link where possible.

        Raises:
            DamagedArtifact: as `file` does.
        """
        link_or_copy(self.file(artifact, file), target)

    def listed(self, *folders: str) -> AbstractContextManager[None]:
        """While it lasts, what a bucket has below these folders is known from one listing of each.

        What this process publishes, removes or `refresh`es in the meantime is looked up again.
        """
        return nullcontext()

    def refresh(self, *names: str) -> None:  # noqa: B027  # a disk needs no refreshing
        """Look these up again within `listed`: another machine may have changed them."""

    # --- documents ---------------------------------------------------------------------------

    @abstractmethod
    def read_document(self, name: str) -> Document:
        """A small file as it is now.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not text, or too large.
        """

    @abstractmethod
    def replace_document(self, document: Document, content: bytes) -> None:
        """Replace a document that was read; the caller has held its lock since.

        Raises:
            PreconditionFailed: another machine has changed it since.
        """

    @abstractmethod
    def back_up_document(self, document: Document) -> None:
        """Keep a document that cannot be read as `<name>.damaged~…`, before it is replaced."""

    @abstractmethod
    def write_document(self, name: str, content: bytes) -> Path:
        """Write a document that no other run writes; return its path on this machine."""

    @abstractmethod
    def delete_document(self, name: str) -> None:
        """Delete a document, if it exists."""

    @abstractmethod
    def list_documents(self, folder: str, suffix: str) -> list[str]:
        """The names of the documents right below a folder with that suffix, sorted."""

    # --- batch files -------------------------------------------------------------------------

    @abstractmethod
    def fetch(self, name: str, wanted: Callable[[str], bool] = lambda _: True) -> Path:
        """The path of a batch file or folder on this machine, as it is in the data root now.

        Args:
            name: of the file or folder, which need not exist.
            wanted: given the name of a file relative to the folder, whether it is needed.
        """

    @abstractmethod
    def name_of(self, path: Path) -> str:
        """The name of a path that `fetch` gave; of any other path, the absolute path."""

    @abstractmethod
    def move(self, path: Path, target: str, digests: Mapping[str, str]) -> bool:
        """Move a batch file or folder that was fetched.

        Args:
            path: as `fetch` gave it.
            target: its new name.
            digests: SHA-256 by path relative to it, of a single file by `.`.

        Returns:
            Whether it was moved: it stays where its bytes are no longer those.
        """

    @abstractmethod
    def resume_moves(self, folder: str) -> None:
        """Finish or undo the moves below a folder that killed runs have left half done."""

    # --- this machine ------------------------------------------------------------------------

    def staging(self, name: str) -> AbstractContextManager[Path]:
        """A directory for a draft of something; removed in the end."""
        return staging_directory(self.work, self.location(name))

    def lock(self, name: str, *, wait: bool = True) -> AbstractContextManager[None]:
        """Hold a lock of that name against all processes of this machine.

        Raises:
            BlockingIOError: another process holds it, and `wait` is false.
        """
        return file_lock(self.work, name, wait=wait)

    @abstractmethod
    def collect_garbage(self) -> int:
        """Remove what killed runs have left and no run has resumed; return how many entries."""
