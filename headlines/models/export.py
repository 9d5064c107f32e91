"""Exports a model to other formats, and checks the export on the dev split."""

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
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import fsync_directory, fsync_tree
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input
from lstm_model.export.export import (
    FORMATS,
    INSTALL,
    MissingPackage,
    export_model,
    require_format,
)


def export(model: str, format: str, directory: Path, root: DataRoot) -> dict[str, Any]:
    """Write a model in another format to a new directory, completely or not at all.

    `lstm_model.export.export` lists the files.

    Args:
        model: a version, or `champion`.
        format: `onnx` or `saved_model`.
        directory: to be created.
        root: the data root.

    Returns:
        `model` (the version), `format`, `directory`, `checked` (headlines that the export was
        compared with the model on) and `largest_difference` (of a probability).

    Raises:
        InputError: there is no such model or format, a package that the format needs is not
            installed, the corpus or the tokens that the model was made from are missing, or the
            directory exists or cannot be written.
        lstm_model.export.export.ExportError: the export does not compute what the model computes.
    """
    if format not in FORMATS:
        raise InputError(
            f"there is no format {format!r}", "--format", f"use one of {', '.join(FORMATS)}"
        )
    target = directory.resolve()
    if target.exists():
        raise InputError("it already exists", str(target), "name a directory that does not exist")
    artifact = champion.resolve(root, model)
    bundle = registry.load_bundle(artifact)
    try:
        require_format(format)
    except MissingPackage as missing:
        raise InputError(
            f"the package {missing.package} is not installed",
            f"--format {format}",
            f"run `{INSTALL}`",
        ) from missing
    # Any further inputs are the vectors that it started from.
    corpus, tokens = (_open_input(root, source) for source in artifact.manifest.inputs[:2])
    dev = examples(corpus, tokens, "dev", bundle.preset, Segmenter.from_settings(root.settings))
    version = artifact.version
    about = {
        "version": version,
        "labels": list(LABELS),
        "segmenter": tokens.manifest.config["segmenter"],
    }
    with _staged(target) as draft:
        difference = export_model(bundle, draft, dev.token_lists, format, about, dev.articles)
    return {
        "model": version,
        "format": format,
        "directory": str(target),
        "checked": len(dev.token_lists),
        "largest_difference": difference,
    }


def _open_input(root: DataRoot, source: Input) -> Artifact:
    """Open the artifact that a model was made from, and no other in its place."""
    try:
        artifact = root.store.open(source.path)
        problem = "is missing" if artifact is None else "was rebuilt from other data"
    except DamagedArtifact as damage:
        artifact, problem = None, f"is damaged ({damage.reason})"
    if artifact is None or artifact.manifest.key != source.sha256:
        raise InputError(
            f"an input of the model {problem}, and the export is checked with it",
            root.location(source.path),
            "rebuild it from the same source with `headlines ingest` and `headlines segment`, or "
            "train a model on the current data",
        )
    return artifact


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A directory that is renamed to `target` at the end, or removed on an error."""
    # In the target's parent, because a rename stays within a file system.
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
            "free some space, or name another directory",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
