"""The files that one batch is made of: those of a folder, and one digest for all."""

from collections.abc import Sequence
from pathlib import Path

from headlines.errors import InputError
from headlines.manifest import Source, digest_of, file_digest
from headlines.sources import ENDINGS, suffix_of


def files_of_folder(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that is one batch, in order of their names.

    What is hidden or begins with `_` is left out: those who write such folders leave notes of
    their own there, such as `_SUCCESS`.

    Raises:
        InputError: there are none; or one that cannot be scored, or is still being written, so
            that rows would be missing.
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
        elif suffix_of(path.name) is None or not path.is_file():
            raise InputError(
                f"{name.as_posix()!r} in it is no file that ends in one of {ENDINGS}",
                str(folder),
                "take it away, or wait until it is written",
            )
        else:
            files.append(path)
    if not files:
        raise InputError("the folder holds no files of headlines", str(folder), "check the path")
    return tuple(files)


def digest_of_files(names: Sequence[str], digests: Sequence[str]) -> str:
    """One digest for files in their order; that of one file alone is its own."""
    return digests[0] if len(digests) == 1 else digest_of(list(zip(names, digests, strict=True)))


def unaliased(path: Path) -> Path:
    """One spelling for all paths to a file; a link as its last part is left as it is."""
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name


def digest_of_source(path: Path, source: Source) -> str | None:
    """The digest that a path has now of the files that a source named; None if they are gone."""
    try:
        if not source.files:
            return file_digest(path)
        return digest_of_files(source.files, [file_digest(path / name) for name in source.files])
    except OSError:
        return None
