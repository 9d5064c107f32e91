"""The batches of headlines in the inbox: their names, and which of them are due."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from headlines.artifact import open_artifact, read_manifest, remove, set_aside
from headlines.catalog import Catalog, checked_batch
from headlines.drafts import locked
from headlines.errors import DamagedArtifact, InputError
from headlines.manifest import Recipe, Source, digest_of, file_digest
from headlines.sources import SUFFIXES


class State(StrEnum):
    """What is to be done with a batch."""

    DUE = "due"  # no predictions by any model
    REVISED = "revised"  # there are predictions, but of other bytes
    SCORED = "scored"
    FAILED = "failed"  # stopped before, and its bytes are still the same


@dataclass(frozen=True)
class Batch:
    """One file of headlines.

    Attributes:
        name: its identity, e.g. `2026-11-20.csv`: the file's name relative to the inbox, or its
            plain name where it lies elsewhere.
        path: the file.
        sha256: digest of its bytes.
    """

    name: str
    path: Path
    sha256: str

    @classmethod
    def of_file(cls, catalog: Catalog, path: Path, name: str | None = None) -> "Batch":
        """The batch in a file.

        Raises:
            InputError: the file is missing or cannot be read, or the name cannot become a
                partition.
        """
        path = path.parent.resolve() / path.name  # one identity, however the path is spelt
        if not path.is_file():
            raise InputError("no such file", str(path), "check the path")
        if name is None:
            inside = path.is_relative_to(catalog.inbox)
            name = path.relative_to(catalog.inbox).as_posix() if inside else path.name
        if Path(checked_batch(name)).suffix not in SUFFIXES:
            # Without the ending, a reader of the dataset may take `2026-11-20` for a date.
            raise InputError(
                f"the batch name {name!r} does not end in one of {', '.join(SUFFIXES)}",
                str(path),
                "name it like a file",
            )
        try:
            return cls(name, path, file_digest(path))
        except OSError as error:
            raise InputError(
                f"the file cannot be read ({error.strerror})", str(path), "check its permissions"
            ) from error

    def as_source(self, catalog: Catalog, rows: int | None = None) -> Source:
        """The file as the input of an artifact."""
        return Source(catalog.relative(self.path), self.sha256, rows)


@dataclass(frozen=True)
class Inbox:
    """What lies in the inbox.

    Attributes:
        batches: files that can be scored, in order of name.
        skipped: other files by name, each with the reason.
    """

    batches: list[Batch]
    skipped: dict[str, str]


def read_inbox(catalog: Catalog) -> Inbox:
    """Every file of the inbox, hidden ones left out."""
    inbox = Inbox([], {})
    folder = catalog.inbox.resolve()
    for path in sorted(catalog.inbox.rglob("*")):
        name = path.relative_to(catalog.inbox)
        if (path.is_dir() and not path.is_symlink()) or any(p.startswith(".") for p in name.parts):
            continue
        if not path.resolve().is_relative_to(folder):
            inbox.skipped[name.as_posix()] = "it is a link that leads out of the inbox"
            continue
        if path.suffix not in SUFFIXES:
            inbox.skipped[name.as_posix()] = f"its ending is not one of {', '.join(SUFFIXES)}"
            continue
        try:
            inbox.batches.append(Batch.of_file(catalog, path))
        except InputError as error:
            inbox.skipped[name.as_posix()] = str(error)
    return inbox


def refuse_namesakes(catalog: Catalog, batches: Sequence[Batch]) -> None:
    """See that no two files would stand for one batch.

    Raises:
        InputError: two of the files have one name, or predictions of that name are of another
            file in another place.
    """
    names = Counter(batch.name for batch in batches)
    for batch in batches:
        mend = "rename it, or score it by itself with --batch NAME"
        if names[batch.name] > 1:
            raise InputError(f"another file is named {batch.name!r} too", str(batch.path), mend)
        try:
            scored = read_manifest(catalog.prediction(batch.name))
        except DamagedArtifact:
            continue
        if scored is None or scored.inputs[0].sha256 == batch.sha256:
            continue
        if scored.inputs[0].path != batch.as_source(catalog).path:
            raise InputError(
                f"the batch {batch.name!r} is another file, {scored.inputs[0].path}",
                str(batch.path),
                f"{mend} (--batch {batch.name} makes it a revision of that one)",
            )


def failure_recipe(catalog: Catalog, batch: Batch) -> Recipe:
    """What a failure depends on: the batch and its bytes."""
    return Recipe("failed", 1, (batch.as_source(catalog),), {"batch": batch.name})


def state_of(catalog: Catalog, batch: Batch) -> State:
    """Whether a batch is due. Damaged predictions are set aside with a warning: due again."""
    target = catalog.prediction(batch.name)
    try:
        predictions = open_artifact(target)
    except DamagedArtifact as damage:
        set_aside(catalog, target, damage.reason)
        predictions = None
    if predictions and predictions.manifest.inputs[0].sha256 == batch.sha256:
        return State.SCORED
    try:
        failed = read_manifest(catalog.failed(batch.name))
    except DamagedArtifact:
        failed = None
    if failed and failed.key == failure_recipe(catalog, batch).key:
        return State.FAILED
    return State.REVISED if predictions else State.DUE


@contextlib.contextmanager
def claimed(catalog: Catalog, batch: Batch) -> Iterator[None]:
    """Keep a batch to this run: another one that wants it waits, and then finds it scored."""
    # 256 locks for all batches: no file of a lock stays behind for each.
    with locked(catalog, f"batch-{digest_of(batch.name)[:2]}"):
        yield


def release(catalog: Catalog, batch: Batch) -> None:
    """Take a batch out of `failed/`: it is tried again."""
    remove(catalog, catalog.failed(batch.name))


def waiting_error(catalog: Catalog, batch: Batch) -> InputError:
    """Why a batch in `failed/` waits there."""
    manifest = read_manifest(catalog.failed(batch.name))
    if manifest is None:
        raise RuntimeError(f"the batch {batch.name} is no longer in failed/")
    return InputError(
        f"the batch was stopped before and has not changed since: {manifest.counts['what']}",
        str(batch.path),
        f"{manifest.counts['mend']}; unchanged, it is tried again with "
        "`headlines score --release` and its file alone",
    )
