"""Batches of headlines: their names, their files, and which of them are due."""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from headlines.artifact import Artifact, look_at, read_manifest, remove, set_aside
from headlines.batch_files import digest_of_files, files_of_folder, unaliased
from headlines.catalog import Catalog, checked_batch
from headlines.drafts import locked
from headlines.errors import DamagedArtifact, InputError
from headlines.manifest import Recipe, Source, digest_of, file_digest
from headlines.object_store.loose import bring_files
from headlines.object_store.surveying import forget
from headlines.sources import ENDINGS, suffix_of


class State(StrEnum):
    """What is to be done with a batch."""

    DUE = "due"  # no predictions by any model
    REVISED = "revised"  # there are predictions, but of other bytes
    SCORED = "scored"
    FAILED = "failed"  # stopped before, and its bytes are still the same


@dataclass(frozen=True)
class Batch:
    """Headlines that are scored together: one file, or several.

    Attributes:
        name: its identity, e.g. `2026-11-20.csv`: the name relative to the inbox, or the plain
            name of what lies elsewhere.
        path: the file; for several files, the folder they lie in.
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
        path = unaliased(path)
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
        path = unaliased(path)
        name = name or _name_of(catalog, path)
        if suffix_of(name) is None:
            raise InputError(
                "the folder's name has not the ending of a batch",
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
        files = sorted(unaliased(path) for path in paths)
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
        digest: Callable[[Path], str] = file_digest,
    ) -> "Batch":
        """The batch of a name in files that are there.

        Raises:
            InputError: a file cannot be read, or the name cannot become a partition.
        """
        if suffix_of(checked_batch(name)) is None:
            # Without the ending, a reader of the dataset may take `2026-11-20` for a date.
            raise InputError(
                f"the batch name {name!r} does not end in one of {ENDINGS}",
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
        return digest_of_files(self._names, self.digests)

    def unchanged(self) -> bool:
        """Whether the files still hold the bytes whose digests these are."""
        try:
            return self.digests == tuple(file_digest(file) for file in self.files)
        except OSError:
            return False

    def as_source(self, catalog: Catalog, rows: int | None = None) -> Source:
        """The files as the input of an artifact."""
        names = () if self.files == (self.path,) else self._names
        return Source(catalog.relative(self.path), self.sha256, rows, names)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(file.relative_to(self.path).as_posix() for file in self.files)


def _name_of(catalog: Catalog, path: Path) -> str:
    for place in (catalog.inbox.resolve(), catalog.archive.resolve()):
        if path.is_relative_to(place):
            name = path.relative_to(place)
            for folder in name.parents:
                if suffix_of(folder.name):
                    raise InputError(
                        f"the file is part of the batch {folder.as_posix()!r}",
                        str(path),
                        "name its folder",
                    )
            return name.as_posix()
    return path.name


def named_batches(catalog: Catalog, paths: Sequence[Path], name: str | None) -> list[Batch]:
    """The batches that a person names: a file or folder each, or under one name several files.

    Raises:
        InputError: a file or folder is no batch, or two are namesakes.
    """
    for path in paths:
        bring_files(unaliased(path))  # of a bucket; whether it is a folder shows only then
    if name is not None and len(paths) > 1:
        return [Batch.of_files(paths, name)]
    batches = [
        (Batch.of_folder if path.is_dir() else Batch.of_file)(catalog, path, name) for path in paths
    ]
    if name is None:
        refuse_namesakes(catalog, batches)
    return batches


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
        own = {catalog.inbox / batch.name, catalog.archive / batch.name}
        places = {catalog.root / scored.inputs[0].path, batch.path}
        if len(places) > 1 and not places <= own:
            raise InputError(
                f"the batch {batch.name!r} is another file, {scored.inputs[0].path}",
                str(batch.path),
                f"{mend} (--batch {batch.name} makes it a revision of that one)",
            )


def failure_recipe(catalog: Catalog, batch: Batch) -> Recipe:
    """What a failure depends on: the batch and its bytes."""
    return Recipe("failed", 1, (batch.as_source(catalog),), {"batch": batch.name})


def state_of(catalog: Catalog, batch: Batch, digest: Callable[[Path], str] = file_digest) -> State:
    """Whether a batch is due. Damaged predictions are set aside with a warning: due again.

    Args:
        catalog: the data root.
        batch: the batch, with the digests of its files.
        digest: gives the SHA-256 of a file of predictions.
    """
    target = catalog.prediction(batch.name)
    try:
        predictions = look_at(target, digest)
    except DamagedArtifact as damage:
        set_aside(catalog, target, damage.reason)
        predictions = None
    if predictions and predictions.manifest.inputs[0].sha256 == batch.sha256:
        # A run that was killed between the two may have left rejects of other bytes.
        if _rejects_belong(catalog, batch, predictions):
            return State.SCORED
        return State.REVISED
    try:
        failed = read_manifest(catalog.failed(batch.name))
    except DamagedArtifact:
        failed = None
    if failed and failed.key == failure_recipe(catalog, batch).key:
        return State.FAILED
    return State.REVISED if predictions else State.DUE


def _rejects_belong(catalog: Catalog, batch: Batch, predictions: Artifact) -> bool:
    try:
        rejects = read_manifest(catalog.rejected(batch.name))
    except DamagedArtifact:
        return False
    if rejects is None:
        return not predictions.counts.get("rejected")
    return rejects.inputs[0].sha256 == batch.sha256


@contextlib.contextmanager
def claimed(catalog: Catalog, batch: Batch) -> Iterator[None]:
    """Keep a batch to this run: another one that wants it waits, and then finds it scored."""
    with locked(catalog, _lock_of(batch)):
        _ask_anew(catalog, batch)
        yield


def claimed_now(catalog: Catalog, batch: Batch) -> "contextlib.ExitStack[bool | None] | None":
    """A claim as `claimed` makes it, where no other run has the batch; else None."""
    claim = contextlib.ExitStack()
    try:
        claim.enter_context(locked(catalog, _lock_of(batch), wait=False))
    except BlockingIOError:
        return None
    _ask_anew(catalog, batch)
    return claim


def _ask_anew(catalog: Catalog, batch: Batch) -> None:
    """Whatever a survey of a bucket has told: another machine may have scored the batch since."""
    for place in (catalog.prediction, catalog.rejected, catalog.failed):
        forget(place(batch.name))


def _lock_of(batch: Batch) -> str:
    # 256 locks for all batches: no file of a lock stays behind for each.
    return f"batch-{digest_of(batch.name)[:2]}"


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
