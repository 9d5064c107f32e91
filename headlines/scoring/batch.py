"""Batches of headlines: their names and their files."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.readers import SUPPORTED_SUFFIXES, data_suffix
from headlines.storage.artifact import combined_digest, read_manifest
from headlines.storage.bucket.external_files import fetch_external
from headlines.storage.layout import Catalog, validate_batch_name
from headlines.storage.manifest import Input


@dataclass(frozen=True)
class Batch:
    """Headlines that are scored together: one file, or several.

    Attributes:
        name: its identity, e.g. `2026-11-20.csv`: the path relative to the inbox, or the file name
            of what is elsewhere.
        path: the file; for several files, their folder.
        files: the files, in the order in which their rows are numbered.
        digests: SHA-256 of each file.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    digests: tuple[str, ...]

    @classmethod
    def of_file(cls, catalog: Catalog, path: Path, name: str | None = None) -> "Batch":
        """The batch in a file.

        Raises:
            InputError: the file is missing or cannot be read, or the name cannot become a
                partition.
        """
        path = canonical_path(path)
        if not path.is_file():
            raise InputError("no such file", str(path), "check the path")
        return cls.of(name or _name_of(catalog, path), path, (path,))

    @classmethod
    def of_folder(cls, catalog: Catalog, path: Path, name: str | None = None) -> "Batch":
        """The batch in all files of a folder.

        Raises:
            InputError: the folder holds no files or others than can be scored, or the name
                cannot become a partition.
        """
        path = canonical_path(path)
        name = name or _name_of(catalog, path)
        if data_suffix(name) is None:
            raise InputError(
                "the folder's name does not end like that of a batch",
                str(path),
                "name the batch with --batch, or name the files in it",
            )
        return cls.of(name, path, files_of_folder(path))

    @classmethod
    def of_files(cls, paths: Sequence[Path], name: str) -> "Batch":
        """The batch in several files, in order of their names.

        Raises:
            InputError: a file is missing, cannot be read or is named twice, or the name cannot
                become a partition.
        """
        files = sorted(canonical_path(path) for path in paths)
        for before, file in itertools.pairwise(files):
            if before == file:
                raise InputError("the file is named twice", str(file), "name it once")
        for file in files:
            if not file.is_file():
                raise InputError("no such file", str(file), "name each FILE of the batch")
        return cls.of(name, Path(os.path.commonpath([file.parent for file in files])), files)

    @classmethod
    def of(
        cls,
        name: str,
        path: Path,
        files: Sequence[Path],
        digest: Callable[[Path], str] = file_sha256,
    ) -> "Batch":
        """The batch of a name in files that are there.

        Raises:
            InputError: a file cannot be read, or the name cannot become a partition.
        """
        if data_suffix(validate_batch_name(name)) is None:
            # Without the ending, a reader of the dataset may take `2026-11-20` for a date.
            raise InputError(
                f"the batch name {name!r} does not end in one of {SUPPORTED_SUFFIXES}",
                str(path),
                "name it like a file",
            )
        try:
            return cls(name, path, tuple(files), tuple(digest(file) for file in files))
        except OSError as error:
            raise InputError(
                f"the file cannot be read ({error.strerror})",
                str(error.filename or path),
                "check its permissions",
            ) from error

    @property
    def sha256(self) -> str:
        """Digest of the bytes; of several files, over their names and digests in order."""
        return combined_digest(self._names, self.digests)

    def unchanged(self) -> bool:
        """Whether the files still hold the bytes whose digests these are."""
        try:
            return self.digests == tuple(file_sha256(file) for file in self.files)
        except OSError:
            return False

    def as_source(self, catalog: Catalog, rows: int | None = None) -> Input:
        """The files as the input of an artifact."""
        names = () if self.files == (self.path,) else self._names
        return Input(catalog.relative(self.path), self.sha256, rows, names)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(file.relative_to(self.path).as_posix() for file in self.files)


def _name_of(catalog: Catalog, path: Path) -> str:
    for folder in (catalog.inbox.resolve(), catalog.archive.resolve()):
        if path.is_relative_to(folder):
            name = path.relative_to(folder)
            for parent in name.parents:
                if data_suffix(parent.name):
                    raise InputError(
                        f"the file is part of the batch {parent.as_posix()!r}",
                        str(path),
                        "name its folder",
                    )
            return name.as_posix()
    return path.name


def resolve_batches(catalog: Catalog, paths: Sequence[Path], name: str | None) -> list[Batch]:
    """The batches that a person names: one for each file or folder, or one of several files.

    Raises:
        InputError: a file or folder is not a batch, or two have the same name.
    """
    for path in paths:
        fetch_external(canonical_path(path))  # of a bucket, before it is known what it is
    if name is not None and len(paths) > 1:
        return [Batch.of_files(paths, name)]
    batches = [
        (Batch.of_folder if path.is_dir() else Batch.of_file)(catalog, path, name) for path in paths
    ]
    if name is None:
        check_unique_names(catalog, batches)
    return batches


def check_unique_names(catalog: Catalog, batches: Sequence[Batch]) -> None:
    """Check that no two files have the same batch name.

    Raises:
        InputError: two of the files do, or predictions of that name are of another file.
    """
    names = Counter(batch.name for batch in batches)
    for batch in batches:
        hint = "rename it, or score it separately with --batch NAME"
        if names[batch.name] > 1:
            raise InputError(f"two files have the batch name {batch.name!r}", str(batch.path), hint)
        try:
            scored = read_manifest(catalog.prediction(batch.name))
        except DamagedArtifact:
            continue
        if scored is None or scored.inputs[0].sha256 == batch.sha256:
            continue
        in_root = {catalog.inbox / batch.name, catalog.archive / batch.name}
        paths = {catalog.root / scored.inputs[0].path, batch.path}
        if len(paths) > 1 and not paths <= in_root:
            raise InputError(
                f"the batch {batch.name!r} is another file, {scored.inputs[0].path}",
                str(batch.path),
                f"{hint} (--batch {batch.name} makes it a revision of that one)",
            )


def files_of_folder(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that is one batch, in order of their names.

    Hidden files and those that begin with `_` are left out: the programs that write such folders
    leave markers there, such as `_SUCCESS`.

    Raises:
        InputError: there are none; or one cannot be scored, or is still being written, so that
            rows would be missing.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] == "_temporary":  # Spark's, until all is written
            raise InputError("the folder is still being written", str(folder), "wait for it")
        if any(part.startswith((".", "_")) for part in name.parts):
            continue
        if path.is_dir() and not path.is_symlink():
            if "=" in path.name:
                raise InputError(
                    f"the folder {path.name!r} in it stands for a column, which would be lost",
                    str(folder),
                    "write the batch without partitions",
                )
        elif data_suffix(path.name) is None or not path.is_file():
            raise InputError(
                f"{name.as_posix()!r} in it is not a file that ends in one of {SUPPORTED_SUFFIXES}",
                str(folder),
                "remove it, or wait until it is written",
            )
        else:
            files.append(path)
    if not files:
        raise InputError("the folder holds no files of headlines", str(folder), "check the path")
    return tuple(files)


def canonical_path(path: Path) -> Path:
    """A path without links, except for its last part, which is left as it is."""
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
