"""The model registry: finds, opens and loads model versions."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import DamagedArtifact, InputError
from headlines.hashing import file_sha256_once
from headlines.models.champion_file import has_champion_file
from headlines.segmentation import compatible, describe
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Manifest
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.bundle import Bundle
    from lstm_model.packed import PackedScorer

_log = logging.getLogger(__name__)


def new_version(key: str) -> str:
    """The name of a model made today: the date and the first 8 digits of its key."""
    return f"{datetime.now(UTC):%Y-%m-%d}-{key[:8]}"


def versions(root: DataRoot) -> list[str]:
    """The names of all models by date of creation."""
    return [_version_of(name) for name in root.store.list_artifacts(root.models)]


def exists(root: DataRoot, version: str) -> bool:
    """Whether there is a model of that name, possibly damaged."""
    try:
        return root.store.manifest(root.model(version)) is not None
    except DamagedArtifact:
        return True


def manifests(root: DataRoot) -> dict[str, Manifest]:
    """The readable manifests of all models, by version."""
    by_version: dict[str, Manifest] = {}
    for name in root.store.list_artifacts(root.models):
        try:
            manifest = root.store.manifest(name)
        except DamagedArtifact as damage:
            _log.warning("%s", damage)
            continue
        if manifest:
            by_version[_version_of(name)] = manifest
    return by_version


def find_by_key(root: DataRoot, key: str) -> Artifact | None:
    """The model with that recipe key, of any date.

    Raises:
        InputError: it is damaged; a model is never rebuilt silently.
    """
    for version in versions(root):
        if version.endswith(f"-{key[:8]}"):
            artifact = open_model(root, version)
            if artifact.manifest.key == key:
                return artifact
    return None


def open_model(root: DataRoot, version: str) -> Artifact:
    """Open a model and check its digests.

    Raises:
        InputError: there is none of that name, or it is damaged.
    """
    try:
        artifact = root.store.open(root.model(version))
    except DamagedArtifact as damage:
        raise InputError(
            f"the model is damaged ({damage.reason})",
            damage.directory,
            "restore it from a copy, or promote another version and remove it",
        ) from damage
    if artifact is None:
        raise InputError(
            f"there is no model {version!r}",
            root.location(root.models),
            "see `headlines models` for the existing ones",
        )
    return artifact


def preset_of(model: Artifact) -> Preset:
    """The preset that a model was trained with, from its manifest.

    Raises:
        InputError: it cannot be read, for example because an earlier version wrote it.
    """
    try:
        return Preset.from_dict(model.manifest.config["preset"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(model, error) from error


def load_bundle(model: Artifact) -> "Bundle":
    """Load the bundle of a model.

    Raises:
        InputError: it cannot be read, for example because an earlier version wrote it.
    """
    from lstm_model.bundle import read_bundle

    with _explain_unreadable(model):
        return read_bundle(model.directory, file_sha256_once)


def load_scorer(model: Artifact, segmenter: dict[str, Any]) -> "PackedScorer":
    """Load the scorer of a model.

    Args:
        model: its artifact.
        segmenter: fingerprint of the segmenter of the words to score.

    Raises:
        InputError: its bundle cannot be read, for example because an earlier version wrote it; or
            it was trained with a different segmenter.
    """
    with _explain_unreadable(model):
        # A run checks the model before it starts, then names it, then scores with it.
        files = tuple((entry.path, entry.sha256) for entry in model.manifest.files)
        scorer = _load_scorer(model.directory, files)
    trained_with = model.manifest.config["segmenter"]
    if not compatible(segmenter, trained_with):
        raise InputError(
            f"the model was trained with a different segmenter ({describe(trained_with)}; now "
            f"{describe(segmenter)})",
            model.location,
            "set HEADLINES_ENGINE and HEADLINES_DICTIONARY as for its training, or train a model "
            "with the current ones",
        )
    return scorer


@lru_cache(maxsize=1)
def _load_scorer(directory: Path, _files: tuple[tuple[str, str], ...]) -> "PackedScorer":
    from lstm_model.packed import PackedScorer

    return PackedScorer.load(directory, file_sha256_once)


@contextmanager
def _explain_unreadable(model: Artifact) -> Iterator[None]:
    from lstm_model.bundle_files import BundleError

    try:
        yield
    except BundleError as error:
        raise _unreadable(model, error) from error


def _unreadable(model: Artifact, error: Exception) -> InputError:
    return InputError(
        f"the model cannot be read ({error})",
        model.location,
        "train a model with this version (`headlines train`) and promote it",
    )


def is_empty(root: DataRoot) -> bool:
    """Whether no model was ever made here: there are no versions and no champion pointer."""
    return not versions(root) and not has_champion_file(root)


def _version_of(name: str) -> str:
    return name.rpartition("/")[2]
