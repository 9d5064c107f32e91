"""Walks from an artifact back to the files it was made from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headlines.artifact import open_artifact
from headlines.catalog import Catalog
from headlines.errors import DamagedArtifact, InputError
from headlines.manifest import MANIFEST, Source, file_digest


@dataclass(frozen=True)
class Link:
    """One step of the way back.

    Attributes:
        depth: steps from the artifact that was asked for, which is at 0.
        path: the artifact's directory or the file.
        what: stage of an artifact; `file` for a file.
        digest: key of an artifact, SHA-256 of a file.
        problem: what is wrong with it; empty where nothing is.
    """

    depth: int
    path: str
    what: str
    digest: str
    problem: str = ""


def lineage(catalog: Catalog, path: Path) -> list[Link]:
    """The artifact at a path and everything it was made from, depth first.

    Raises:
        InputError: there is no artifact at the path.
    """
    directory = path.absolute()
    if directory.is_file():  # one of an artifact's files, which may lie in folders of it
        inside = (parent for parent in directory.parents if (parent / MANIFEST).is_file())
        directory = next(inside, directory.parent)
    if not (directory / MANIFEST).is_file():
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


def _walk(catalog: Catalog, source: Source, depth: int) -> Iterator[Link]:
    path = catalog.root / source.path  # an absolute path of a source stands for itself
    if path.is_dir():
        try:
            artifact = open_artifact(path)
        except DamagedArtifact as damage:
            yield Link(depth, source.path, "artifact", source.sha256, f"damaged: {damage.reason}")
            return
        if artifact is not None and artifact.manifest.key != source.sha256:
            problem = f"another artifact stands there now, with key {artifact.manifest.key[:16]}"
            yield Link(depth, source.path, artifact.manifest.stage, source.sha256, problem)
            return
        if artifact is not None:
            yield Link(depth, source.path, artifact.manifest.stage, source.sha256)
            for further in artifact.manifest.inputs:
                yield from _walk(catalog, further, depth + 1)
            return
    if not path.exists():
        yield Link(depth, source.path, "file", source.sha256, "no longer there")
    elif file_digest(path) != source.sha256:
        yield Link(depth, source.path, "file", source.sha256, "its bytes have changed since")
    else:
        yield Link(depth, source.path, "file", source.sha256)
