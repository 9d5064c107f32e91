"""Walks from an artifact back to the files it was made from."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError
from headlines.nightly.archive import find_archived
from headlines.storage.artifact import open_artifact, read_manifest, source_digest
from headlines.storage.bucket.address import root_of_mirror
from headlines.storage.bucket.external_files import fetch_external
from headlines.storage.layout import Catalog
from headlines.storage.manifest import MANIFEST, Input

# Where the artifacts lie that others are made from: so one that is gone is told apart from a file.
_STAGES = {
    "corpus/": "corpus",
    "tokens/": "tokens",
    "pretrained/": "pretrained",
    "models/": "model",
    "predictions/": "predictions",
    "reports/baseline/": "baseline",
    "reports/evaluation/": "evaluation",
    "sweeps/trials/": "trial",
    "sweeps/results/": "sweep",
}


@dataclass(frozen=True)
class Link:
    """One step of the way back.

    Attributes:
        depth: steps from the artifact that was asked for, which is at 0.
        path: the artifact's directory or the file.
        what: stage of an artifact, told by its place where it is gone or damaged; `file` for a
            file, `files` for a batch of several.
        digest: key of an artifact, SHA-256 of a file or of all files.
        problem: what is wrong with it; empty where nothing is.
        note: what else is to be said of it; a batch that was moved to the archive is told so.
    """

    depth: int
    path: str
    what: str
    digest: str
    problem: str = ""
    note: str = ""


def lineage(catalog: Catalog, path: Path) -> list[Link]:
    """The artifact at a path and everything it was made from, depth first.

    Raises:
        InputError: there is no artifact at the path.
    """
    directory = path.absolute()
    if directory.is_file() or (root_of_mirror(directory) and not _has_manifest(directory)):
        # One of an artifact's files, which may lie in folders of it.
        inside = (parent for parent in directory.parents if _has_manifest(parent))
        directory = next(inside, directory.parent)
    if not _has_manifest(directory):
        raise InputError("no artifact is there", str(path), f"name a directory with a {MANIFEST}")
    try:
        artifact = open_artifact(directory)
    except DamagedArtifact as damage:
        raise InputError(
            f"the artifact is damaged ({damage.reason})",
            damage.directory,
            "run the flow that makes it again",
        ) from damage
    assert artifact is not None
    return list(_walk(catalog, artifact.as_source(catalog), 0))


def _walk(catalog: Catalog, source: Input, depth: int) -> Iterator[Link]:
    path = catalog.root / source.path  # an absolute path of a source stands for itself
    stage = _stage_of(source.path)
    if source.files or not (stage or _has_manifest(path)):
        yield _file(catalog, source, depth)
        return
    problem = ""
    inputs: tuple[Input, ...] = ()
    try:
        artifact = open_artifact(path)
        if artifact is None:
            problem = "no longer there"
        elif artifact.manifest.key != source.sha256:
            stage = artifact.manifest.stage
            problem = f"another artifact stands there now, with key {artifact.manifest.key[:16]}"
        else:
            stage, inputs = artifact.manifest.stage, artifact.manifest.inputs
    except DamagedArtifact as damage:
        problem = f"damaged: {damage.reason}"
    yield Link(depth, source.path, stage or "artifact", source.sha256, problem)
    for further in inputs:
        yield from _walk(catalog, further, depth + 1)


def _has_manifest(directory: Path) -> bool:
    with contextlib.suppress(DamagedArtifact):
        read_manifest(directory)  # brings that of a bucket here
    return (directory / MANIFEST).is_file()


def _stage_of(path: str) -> str | None:
    """The stage whose artifacts lie where a source lies; None for files."""
    return next((stage for place, stage in _STAGES.items() if path.startswith(place)), None)


def _file(catalog: Catalog, source: Input, depth: int) -> Link:
    """A file from outside, or the files of a batch, where they are now."""
    what = "files" if source.files else "file"
    path = catalog.root / source.path
    fetch_external(path)
    if source_digest(path, source) == source.sha256:
        return Link(depth, source.path, what, source.sha256)
    if archived := find_archived(catalog, source):
        note = f"archived; it was {source.path}"
        return Link(depth, catalog.relative(archived), what, source.sha256, note=note)
    problem = "its bytes have changed since" if path.exists() else "no longer there"
    return Link(depth, source.path, what, source.sha256, problem)
