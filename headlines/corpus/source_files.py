"""The files a corpus is made from, and the records in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.corpus import inews
from headlines.errors import InputError
from headlines.readers import (
    SUPPORTED_SUFFIXES,
    ReadOptions,
    Record,
    data_suffix,
    natural_order,
    read_records,
)
from headlines.readers.read_options import OPTIONAL

# Raised when the readers give other rows: corpora of files are then read again, that of iNews not.
_READING = 2


@dataclass(frozen=True)
class CorpusFiles:
    """The files a corpus is made from.

    Attributes:
        paths: in the order in which their rows are numbered.
        options: how text files are read.
        of_inews: whether they are the pickles of the iNews package.
        left_out: names of the other files of the folder, but for hidden ones and those that begin
            with `_`, where programs leave markers.
    """

    paths: tuple[Path, ...]
    options: ReadOptions
    of_inews: bool
    left_out: tuple[str, ...] = ()

    @classmethod
    def resolve(cls, source: str, options: ReadOptions) -> "CorpusFiles":
        """The files of a source: `inews`, a file, or a folder of files.

        Raises:
            InputError: the source has no files.
        """
        if source == inews.NAME:
            return cls(tuple(inews.split_paths().values()), ReadOptions(), of_inews=True)
        path = Path(source)
        if not path.is_dir():
            return cls((path,), options, of_inews=False)
        found = sorted((p for p in path.rglob("*") if _is_data(p, path)), key=natural_order)
        paths = tuple(file for file in found if data_suffix(file.name))
        if not paths:
            raise InputError(
                f"the folder has no file with a supported suffix ({SUPPORTED_SUFFIXES})",
                str(path),
                "check the path",
            )
        others = (file for file in found if not data_suffix(file.name))
        left_out = tuple(file.relative_to(path).as_posix() for file in others)
        return cls(paths, options, of_inews=False, left_out=left_out)

    def preflight(self, work: Path) -> set[str]:
        """Read the first row of every file; returns the names of the columns there.

        Args:
            work: for temporary files, if it exists.

        Raises:
            InputError: a file cannot be read.
        """
        columns: set[str] = set()
        for path in self.paths:
            if not path.exists():
                raise InputError("no such file or folder", str(path), "check the path")
            if not self.of_inews:
                columns.update(next(read_records(path, self.options, work)).fields)
        return columns

    def reading(self) -> dict[str, Any]:
        """How the files are read, as it stands in the manifest of the corpus."""
        if self.of_inews:
            return {"encoding": "utf-8"}
        config = self.options.to_config()
        names = ("encoding", *(name for name in OPTIONAL if name in config))
        return {name: config[name] for name in names} | {"reading": _READING}


def iter_records(
    path: Path, options: ReadOptions, work: Path, *, of_inews: bool
) -> Iterator[Record]:
    """Yield every row of a file, numbered from 0.

    Rows of a file in a folder `split=…`, as in a partitioned dataset, get that split.

    Args:
        path: of the file.
        options: how text files are read.
        work: for temporary files, if it exists.
        of_inews: whether the file is a pickle of the iNews package.
    """
    records = inews.read_split(path, path.stem) if of_inews else read_records(path, options, work)
    split = _split_of_folder(path)
    for record in records:
        if split and not record.problem:
            record.fields.setdefault("split", split)
        yield record


def _is_data(path: Path, folder: Path) -> bool:
    names = path.relative_to(folder).parts
    return path.is_file() and not any(name.startswith((".", "_")) for name in names)


def _split_of_folder(path: Path) -> str | None:
    names = (name for name in reversed(path.parts) if name.startswith("split="))
    return next((name.removeprefix("split=") for name in names), None)
