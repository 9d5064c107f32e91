"""Exports a model for those who serve it elsewhere, checked on the headlines of its dev split."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headlines.corpus.examples import examples
from headlines.errors import DamagedArtifact, InputError
from headlines.labels import LABELS
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact, open_artifact
from headlines.storage.atomic import fsync_directory, fsync_tree
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input
from lstm_model.export.export import (
    FORMATS,
    INSTALL,
    MissingPackage,
    export_model,
    require_format,
)


def export(model: str, format: str, directory: Path, catalog: Catalog) -> dict[str, Any]:
    """Write a model into a directory in a format that others can run.

    The directory is published as a whole; `lstm_model.export.export` lists its files.

    Args:
        model: a version, or `champion`.
        format: `onnx` or `saved_model`.
        directory: is made; may be there if it is empty.
        catalog: the data root.

    Returns:
        `model` (the version), `format`, `directory`, `checked` (headlines that the export was run
        on beside the model) and `largest_difference` (of a probability).

    Raises:
        InputError: there is no such model or format, a package that the format needs is not
            installed, the corpus or the words that the model was made from are gone, or the
            directory cannot be written or holds something.
        lstm_model.export.export.ExportError: the export does not compute what the model computes.
    """
    if format not in FORMATS:
        raise InputError(
            f"there is no format {format!r}", "--format", f"use one of {', '.join(FORMATS)}"
        )
    target = directory.resolve()
    _require_free(target)
    artifact = champion.resolve(catalog, model)
    bundle = registry.load_bundle(artifact)
    try:
        require_format(format)
    except MissingPackage as missing:
        raise InputError(
            f"the package {missing.package} is not installed",
            f"--format {format}",
            f"run `{INSTALL}`",
        ) from missing
    # Behind these two stand the vectors that it started from, if it did.
    corpus, tokens = (_made_from(catalog, source) for source in artifact.manifest.inputs[:2])
    dev = examples(corpus, tokens, "dev", bundle.preset)
    version = artifact.directory.name
    about = {
        "version": version,
        "labels": list(LABELS),
        "segmenter": tokens.manifest.config["segmenter"],
    }
    with _published(target) as draft:
        difference = export_model(bundle, draft, dev.token_lists, format, about, dev.articles)
    return {
        "model": version,
        "format": format,
        "directory": str(target),
        "checked": len(dev.token_lists),
        "largest_difference": difference,
    }


def _require_free(target: Path) -> None:
    if target.exists():
        raise InputError("it is there already", str(target), "name a directory that is not there")


def _made_from(catalog: Catalog, source: Input) -> Artifact:
    """The artifact that a model was made from: that one, and no other in its place."""
    path = catalog.root / source.path
    try:
        artifact = open_artifact(path)
        problem = "is gone" if artifact is None else "was made anew from other data"
    except DamagedArtifact as damage:
        artifact, problem = None, f"is damaged ({damage.reason})"
    if artifact is None or artifact.manifest.key != source.sha256:
        raise InputError(
            f"what the model was made from {problem}, and the export is checked with it",
            str(path),
            "make it again from the same source with `headlines ingest` and `headlines segment`, "
            "or train a model on what is there now",
        )
    return artifact


@contextlib.contextmanager
def _published(target: Path) -> Iterator[Path]:
    """A directory to write in, renamed to `target` in the end; removed if that is not reached."""
    # Beside the target, for a rename does not leave its file system; the data root may be another.
    draft = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        draft.mkdir(parents=True)
        yield draft
        fsync_tree(draft)
        draft.rename(target)
        fsync_directory(target.parent)
    except OSError as error:
        raise InputError(
            f"it cannot be written ({error.strerror or error})",
            str(target),
            "make room, or name another directory",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # after the rename there is nothing left of it
