"""The artifact: a directory of data files with a manifest that says what they are made from.

Every stage turns inputs into one artifact. A store publishes it as a whole or not at all:

- the manifest's key is a digest of all that decides the content, so a stage whose key already
  has a valid artifact reuses it;
- opening an artifact checks the digest of every file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.errors import DamagedArtifact
from headlines.hashing import file_sha256, file_sha256_once, json_digest
from headlines.storage.manifest import MANIFEST, DataFile, Input, Manifest, read_text_limited


@dataclass(frozen=True)
class Artifact:
    """A published artifact.

    Attributes:
        name: relative to the data root.
        location: where people find it: a path, or a URL in a bucket.
        directory: its files on this machine, as far as they were asked for; never written to.
        manifest: what it says of itself.
        reused: whether it existed before.
    """

    name: str
    location: str
    directory: Path
    manifest: Manifest
    reused: bool = True

    @property
    def version(self) -> str:
        """The last component of its name: of a model, its version."""
        return self.name.rpartition("/")[2]

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

    def as_source(self) -> Input:
        """This artifact as the input of another."""
        return Input(self.name, self.manifest.key, self.rows)


def combined_digest(names: Sequence[str], digests: Sequence[str]) -> str:
    """One digest for files in their order; that of one file alone is its own."""
    return digests[0] if len(digests) == 1 else json_digest(list(zip(names, digests, strict=True)))


def source_digest(path: Path, source: Input) -> str | None:
    """The digest that a path has now of the files that a source named; None if they are gone."""
    try:
        if not source.files:
            return file_sha256(path)
        return combined_digest(source.files, [file_sha256(path / name) for name in source.files])
    except OSError:
        return None


def read_manifest_file(directory: Path) -> Manifest | None:
    """The manifest in a directory; None where no directory is.

    Raises:
        DamagedArtifact: there is none that can be read.
    """
    if not directory.exists():
        return None
    try:
        return Manifest.from_json(read_text_limited(directory / MANIFEST))
    except (OSError, ValueError) as error:
        raise DamagedArtifact(str(directory), f"{MANIFEST}: {error}") from error


def verify_files(artifact: Artifact, digest: Callable[[Path], str] = file_sha256_once) -> None:
    """See that the files in an artifact's directory are those that the manifest names.

    Raises:
        DamagedArtifact: one is missing, altered, a link, not named, or cannot be read.
    """
    directory = artifact.directory
    try:
        existing = {path.relative_to(directory).as_posix() for path in data_files(directory)}
    except OSError as error:  # a folder was removed in the meantime
        raise DamagedArtifact(artifact.location, str(error)) from error
    named = {entry.path for entry in artifact.manifest.files}
    if existing != named:
        raise DamagedArtifact(
            artifact.location,
            f"missing files {sorted(named - existing)}, files not in the manifest "
            f"{sorted(existing - named)}",
        )
    for entry in artifact.manifest.files:
        verify_file(artifact, entry, digest)


def verify_file(
    artifact: Artifact, entry: DataFile, digest: Callable[[Path], str] = file_sha256_once
) -> None:
    """See that one data file is what the manifest says.

    Raises:
        DamagedArtifact: it is missing, altered, or a link, or cannot be read.
    """
    path = artifact.directory / entry.path
    try:
        if path.is_symlink():  # anyone may change what it points to
            raise DamagedArtifact(artifact.location, f"{entry.path} is a link")
        if path.stat().st_size != entry.bytes or digest(path) != entry.sha256:
            raise DamagedArtifact(artifact.location, f"{entry.path} is not what the manifest says")
    except OSError as error:
        raise DamagedArtifact(artifact.location, str(error)) from error


def data_files(directory: Path) -> list[Path]:
    """All files of an artifact but its manifest, in order of name."""
    # Hidden files are none of ours: file managers and network file systems leave them anywhere.
    # But DuckDB and Polars read hidden Parquet, so a stray one is damage.
    return sorted(
        path
        for path in directory.rglob("*")
        if (path.is_file() or path.is_symlink())
        and path != directory / MANIFEST
        and (not path.name.startswith(".") or path.suffix == ".parquet")
    )


def describe_file(directory: Path, path: Path) -> DataFile:
    """What a manifest says of a data file."""
    rows = None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(path).num_rows
    name = path.relative_to(directory).as_posix()
    return DataFile(name, file_sha256(path), path.stat().st_size, rows)
