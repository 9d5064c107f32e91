"""Walks from an artifact back to the files it was made from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headlines.errors import DamagedArtifact, InputError
from headlines.storage.artifact import source_digest
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import STAGE_OF_FOLDER
from headlines.storage.manifest import MANIFEST, Input

_NUMBER = re.compile(r"~\d+")  # in the names of batches whose own name was taken in the archive


@dataclass(frozen=True)
class Link:
    """One step of the way back.

    Attributes:
        depth: steps from the artifact that was asked for, which is at 0.
        path: of the artifact or the file; relative to the data root if it is in it.
        what: stage of an artifact, of one that is gone or damaged the stage of its folder; `file`
            for a file, `files` for a batch of several.
        digest: key of an artifact, SHA-256 of a file or of all files.
        problem: what is wrong with it; empty if nothing is.
        note: for people, such as that a batch was moved to the archive.
    """

    depth: int
    path: str
    what: str
    digest: str
    problem: str = ""
    note: str = ""


def lineage(root: DataRoot, name: str) -> list[Link]:
    """An artifact and everything it was made from, depth first.

    Args:
        root: the data root.
        name: of the artifact, or of one of its files.

    Raises:
        InputError: there is no such artifact, or it is damaged.
    """
    folder = root.store.artifact_of(name)
    try:
        artifact = root.store.open(folder) if folder else None
    except DamagedArtifact as damage:
        raise InputError(
            f"the artifact is damaged ({damage.reason})",
            damage.directory,
            "run the flow that makes it again",
        ) from damage
    if artifact is None:
        raise InputError(
            "there is no artifact", root.location(name), f"name a directory with a {MANIFEST}"
        )
    return list(_walk(root, artifact.as_source(), 0))


def _walk(root: DataRoot, source: Input, depth: int) -> Iterator[Link]:
    stage = STAGE_OF_FOLDER.get(source.path.rpartition("/")[0])
    if source.files or not (stage or root.store.has_manifest(source.path)):
        yield _file(root, source, depth)
        return
    problem = ""
    inputs: tuple[Input, ...] = ()
    try:
        artifact = root.store.open(source.path)
        if artifact is None:
            problem = "no longer there"
        elif artifact.manifest.key != source.sha256:
            stage = artifact.manifest.stage
            problem = f"replaced by another artifact, with key {artifact.manifest.key[:16]}"
        else:
            stage, inputs = artifact.manifest.stage, artifact.manifest.inputs
    except DamagedArtifact as damage:
        problem = f"damaged: {damage.reason}"
    yield Link(depth, source.path, stage or "artifact", source.sha256, problem)
    for further in inputs:
        yield from _walk(root, further, depth + 1)


def _file(root: DataRoot, source: Input, depth: int) -> Link:
    """A source file, or the files of a batch, where they are now."""
    what = "files" if source.files else "file"
    path = root.store.fetch(source.path)
    if source_digest(path, source) == source.sha256:
        return Link(depth, source.path, what, source.sha256)
    if (archived := _archived(root, source)) is not None:
        note = f"archived; it was {source.path}"
        return Link(depth, root.store.name_of(archived), what, source.sha256, note=note)
    problem = "its bytes have changed since" if path.exists() else "no longer there"
    return Link(depth, source.path, what, source.sha256, problem)


def _archived(root: DataRoot, source: Input) -> Path | None:
    """Where in the archive a batch of the inbox is; None if it is not there."""
    folder = root.store.fetch(root.inbox, lambda _: False).resolve()  # the inbox may be a link
    inboxes = (root.inbox, str(folder), root.store.name_of(folder))
    inbox = next((name for name in inboxes if source.path.startswith(f"{name}/")), None)
    if inbox is None:
        return None
    target = PurePosixPath(f"{root.archive}{source.path.removeprefix(inbox)}")

    def has_its_name(file: str) -> bool:
        return _NUMBER.sub("", file.split("/")[0]) == target.name

    archive = root.store.fetch(str(target.parent), has_its_name)
    candidates = (path for path in sorted(archive.glob("*")) if has_its_name(path.name))
    return next((p for p in candidates if source_digest(p, source) == source.sha256), None)
