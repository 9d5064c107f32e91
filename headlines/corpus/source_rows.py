"""The files a corpus is made from, and the check of each of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headlines.corpus import inews
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.readers import SUPPORTED_SUFFIXES, ReadOptions, Record, data_suffix, read_records
from headlines.readers.titles import has_undecodable, record_id, title_problem

SPLITS = inews.SPLITS


@dataclass(frozen=True)
class CorpusFiles:
    """The files a corpus is made from.

    Attributes:
        paths: in the order in which their rows are numbered.
        encoding: of the text files among them.
        of_inews: whether they are the pickles of the iNews package.
    """

    paths: tuple[Path, ...]
    encoding: str
    of_inews: bool

    @classmethod
    def named(cls, source: str, encoding: str) -> "CorpusFiles":
        """The files that a source names: `inews`, a file, or a folder of files.

        Raises:
            InputError: there is nothing of that name to read.
        """
        if source == inews.NAME:
            return cls(tuple(inews.split_paths().values()), "utf-8", of_inews=True)
        path = Path(source)
        if not path.is_dir():
            return cls((path,), encoding, of_inews=False)
        paths = tuple(
            sorted(p for p in path.rglob("*") if data_suffix(p.name) and _is_data(p, path))
        )
        if not paths:
            raise InputError(
                f"the folder has no file that ends in {SUPPORTED_SUFFIXES}",
                str(path),
                "check the path",
            )
        return cls(paths, encoding, of_inews=False)

    def preflight(self) -> None:
        """Read the first row of every file.

        Raises:
            InputError: a file cannot be read at all.
        """
        for path in self.paths:
            if not path.is_file():
                raise InputError("no such file or folder", str(path), "check the path")
            if not self.of_inews:
                next(read_records(path, ReadOptions(self.encoding)))


class Row(NamedTuple):
    """A row that can be used.

    Attributes:
        record_id: identity of its title.
        title: the headline.
        content: the body, if it has one.
        label: 0, 1 or 2; None where it has none.
        split: one of `SPLITS`.
    """

    record_id: str
    title: str
    content: str | None
    label: int | None
    split: str


def iter_records(path: Path, encoding: str, *, of_inews: bool) -> Iterator[Record]:
    """Every row of a file, numbered from 0.

    A file in a folder `split=…`, as datasets are partitioned, has its rows in that split.
    """
    if of_inews:
        records = inews.read_split(path, path.stem)
    else:
        records = read_records(path, ReadOptions(encoding))
    split = _split_of_folder(path)
    for record in records:
        if split and not record.problem:
            record.fields.setdefault("split", split)
        yield record


def validate_row(record: Record) -> Row:
    """The row, if it can be used.

    Raises:
        ValueError: it cannot; the message is the reason.
    """
    if record.problem:
        raise ValueError(record.problem)
    fields = record.fields
    title, content = fields.get("title"), fields.get("content")
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    if problem := title_problem(title):
        raise ValueError(problem)
    assert title is not None
    if content is not None and not isinstance(content, str):
        raise ValueError("content is not text")
    if content is not None and has_undecodable(content):
        raise ValueError("content has undecodable bytes")
    identity = record_id(title)
    return Row(
        identity,
        title,
        content,
        _label(fields.get("label")),
        _split(fields.get("split"), identity),
    )


def _label(value: object) -> int | None:
    if value is None or value == "":
        return None
    text = str(value).strip().removesuffix(".0")  # pandas writes whole numbers beside gaps so
    if text not in {str(label) for label in range(len(LABELS))}:
        raise ValueError(f"label is not 0 to {len(LABELS) - 1}")
    return int(text)


def _split(value: object, identity: str) -> str:
    if value is None or value == "":
        # By the text, so that the same headline never stands on both sides.
        return ("dev", "test", *["train"] * 8)[int(identity[:8], 16) % 10]
    if value not in SPLITS:
        raise ValueError(f"split is not one of {', '.join(SPLITS)}")
    return str(value)


def _is_data(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder)
    return path.is_file() and not any(part.startswith((".", "_")) for part in inside.parts)


def _split_of_folder(path: Path) -> str | None:
    names = (part for part in reversed(path.parts) if part.startswith("split="))
    return next((name.removeprefix("split=") for name in names), None)
