"""The files of an artifact in its directory: its manifest, and the data files that it names."""

from collections.abc import Callable
from pathlib import Path

from headlines.errors import DamagedArtifact
from headlines.manifest import MANIFEST, DataFile, Manifest, file_digest, read_small


def manifest_in(directory: Path) -> Manifest | None:
    """The manifest in a directory; None where no directory is.

    Raises:
        DamagedArtifact: there is none that can be read.
    """
    if not directory.exists():
        return None
    try:
        return Manifest.from_json(read_small(directory / MANIFEST))
    except (OSError, ValueError) as error:
        raise DamagedArtifact(str(directory), f"{MANIFEST}: {error}") from error


def check_files(directory: Path, manifest: Manifest, digest: Callable[[Path], str]) -> None:
    """See that the data files are those that the manifest names.

    Raises:
        DamagedArtifact: one is missing, altered, a link, or not named.
        OSError: one cannot be read.
    """
    found = {path.relative_to(directory).as_posix() for path in data_files(directory)}
    named = {entry.path for entry in manifest.files}
    if found != named:
        raise DamagedArtifact(
            str(directory),
            f"missing files {sorted(named - found)}, files not in the manifest "
            f"{sorted(found - named)}",
        )
    for entry in manifest.files:
        path = directory / entry.path
        if path.is_symlink():  # it may lead anywhere, and what it leads to is no one's artifact
            raise DamagedArtifact(str(directory), f"{entry.path} is a link")
        if path.stat().st_size != entry.bytes or digest(path) != entry.sha256:
            raise DamagedArtifact(str(directory), f"{entry.path} is not what the manifest says")


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


def described(directory: Path, path: Path) -> DataFile:
    """What a manifest says of a data file."""
    rows = None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(path).num_rows
    name = path.relative_to(directory).as_posix()
    return DataFile(name, file_digest(path), path.stat().st_size, rows)
