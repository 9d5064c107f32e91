"""Batches of headlines: their names and their files."""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256
from headlines.readers import SUPPORTED_SUFFIXES, data_suffix, natural_order, not_a_file
from headlines.storage.artifact import combined_digest
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import validate_batch_name
from headlines.storage.manifest import Input


@dataclass(frozen=True)
class Batch:
    """Headlines that are scored together: one file, or several.

    Attributes:
        name: its identity, e.g. `2026-11-20.csv`: the path relative to the inbox, or the file name
            of what is elsewhere.
        path: the file on this machine; for several files, their folder.
        files: the files on this machine, in the order in which their rows are numbered.
        digests: SHA-256 of each file.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    digests: tuple[str, ...]

    @classmethod
    def of_file(cls, root: DataRoot, path: Path, name: str | None = None) -> "Batch":
        """The batch in a file.

        Raises:
            InputError: the file is missing or cannot be read, or the name cannot become a
                partition.
        """
        path = canonical_path(path)
        _check_file(path)
        return cls.of(name or _name_of(root, path), path, (path,))

    @classmethod
    def of_folder(cls, root: DataRoot, path: Path, name: str | None = None) -> "Batch":
        """The batch in all files of a folder.

        Raises:
            InputError: the folder holds no files or others than can be scored, or the name
                cannot become a partition.
        """
        path = canonical_path(path)
        name = name or _name_of(root, path)
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
        files = sorted((canonical_path(path) for path in paths), key=natural_order)
        for before, file in itertools.pairwise(files):
            if before == file:
                raise InputError("the file is named twice", str(file), "name it once")
        for file in files:
            _check_file(file)
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
        """Digest of the bytes; of several files, over their names and digests, sorted by path."""
        by_path = sorted(zip(self.files, self.file_names, self.digests, strict=True))
        _, names, digests = zip(*by_path, strict=True)
        return combined_digest(names, digests)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The files relative to `path`; a single one is `.`."""
        return tuple(file.relative_to(self.path).as_posix() for file in self.files)

    def as_source(self, root: DataRoot, rows: int | None = None) -> Input:
        """The files as the input of an artifact."""
        names = () if self.files == (self.path,) else self.file_names
        return Input(root.store.name_of(self.path), self.sha256, rows, names)


def _name_of(root: DataRoot, path: Path) -> str:
    name = root.store.name_of(path)
    for folder in (root.inbox, root.archive):
        if (batch := name_within(root, folder, name)) is not None:
            for parent in PurePosixPath(batch).parents:
                if data_suffix(parent.name):
                    raise InputError(
                        f"the file is part of the batch {parent.as_posix()!r}",
                        str(path),
                        "name its folder",
                    )
            return batch
    return path.name


def name_within(root: DataRoot, folder: str, name: str) -> str | None:
    """The name of a file relative to a folder of the data root; None if it is not below it.

    Args:
        root: the data root.
        folder: its name; it may be a link to another place.
        name: of the file, as `Store.name_of` gives it.
    """
    target = (root.store.directory / folder).resolve()
    for start in (folder, str(target), root.store.name_of(target)):
        if name.startswith(f"{start}/"):
            return name.removeprefix(f"{start}/")
    return None


def resolve_batches(root: DataRoot, paths: Sequence[Path], name: str | None) -> list[Batch]:
    """The batches that a person names: one for each file or folder, or one of several files.

    Args:
        root: the data root.
        paths: of the files and folders on this machine.
        name: of the only batch; None to name each by its file or folder.

    Raises:
        InputError: a file or folder is not a batch, or two have the same name.
    """
    with errors_with_urls(root):
        if name is not None and len(paths) > 1:
            return [Batch.of_files(paths, name)]
        batches = [
            (Batch.of_folder if path.is_dir() else Batch.of_file)(root, path, name)
            for path in paths
        ]
        if name is None:
            check_unique_names(root, batches)
        return batches


@contextlib.contextmanager
def errors_with_urls(root: DataRoot) -> Iterator[None]:
    """Have input errors name a file of a bucket by its URL, not by its path on this machine."""
    try:
        yield
    except InputError as error:
        if "://" not in root.url or not error.location.startswith("/"):
            raise
        location = root.location(root.store.name_of(Path(error.location)))
        raise InputError(error.problem, location, error.hint) from error


def check_unique_names(root: DataRoot, batches: Sequence[Batch]) -> None:
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
            scored = root.store.manifest(root.predictions_of(batch.name))
        except DamagedArtifact:
            continue
        if scored is None or scored.inputs[0].sha256 == batch.sha256:
            continue
        in_root = {f"{root.inbox}/{batch.name}", f"{root.archive}/{batch.name}"}
        files = {scored.inputs[0].path, root.store.name_of(batch.path)}
        if len(files) > 1 and not files <= in_root:
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
    for path in sorted(folder.rglob("*"), key=natural_order):
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


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError("no such file", str(path), "check the path")
    if not path.is_file():
        raise not_a_file(path)


def canonical_path(path: Path) -> Path:
    """A path without links, except for its last part, which is left as it is."""
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
