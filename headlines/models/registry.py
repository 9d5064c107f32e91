"""The models: immutable versions, found and read. Which of them scores is told by `champion`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headlines.errors import DamagedArtifact, InputError
from headlines.segmentation import compatible, describe
from headlines.storage.artifact import Artifact, list_artifacts, open_artifact, read_manifest
from headlines.storage.documents import is_there as is_document
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Manifest
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.bundle import Bundle
    from lstm_model.packed import PackedScorer

_log = logging.getLogger(__name__)


def version_of(key: str) -> str:
    """The name of a model made today: its date and the first 8 digits of its key."""
    return f"{datetime.now(UTC):%Y-%m-%d}-{key[:8]}"


def versions(catalog: Catalog) -> list[str]:
    """The names of all models, in order of the day they were made on."""
    return [path.name for path in list_artifacts(catalog.models)]


def is_there(catalog: Catalog, version: str) -> bool:
    """Whether there is a model of that name, be it damaged."""
    try:
        return read_manifest(catalog.model(version)) is not None
    except DamagedArtifact:
        return True


def manifests(catalog: Catalog) -> dict[str, Manifest]:
    """The manifest of every model that has a readable one."""
    found: dict[str, Manifest] = {}
    for version in versions(catalog):
        try:
            manifest = read_manifest(catalog.models / version)
        except DamagedArtifact as damage:
            _log.warning("%s", damage)
            continue
        if manifest:
            found[version] = manifest
    return found


def model_of_key(catalog: Catalog, key: str) -> Artifact | None:
    """The model that was made by the recipe of that key, whatever its date.

    Raises:
        InputError: it is there and damaged; a model is never made anew in silence.
    """
    for version in versions(catalog):
        if version.endswith(f"-{key[:8]}"):
            artifact = open_model(catalog, version)
            if artifact.manifest.key == key:
                return artifact
    return None


def open_model(catalog: Catalog, version: str) -> Artifact:
    """A model, its digests checked.

    Raises:
        InputError: there is none of that name, or it is damaged.
    """
    try:
        artifact = open_artifact(catalog.model(version))
    except DamagedArtifact as damage:
        raise InputError(
            f"the model is damaged ({damage.reason})",
            damage.directory,
            "restore it from a copy, or promote another version and remove it",
        ) from damage
    if artifact is None:
        raise InputError(
            f"there is no model {version!r}",
            str(catalog.models),
            "`headlines models` lists those that are there",
        )
    return artifact


def preset_of(model: Artifact) -> Preset:
    """What a model was trained with, by its manifest.

    Raises:
        InputError: an earlier version has written it.
    """
    try:
        return Preset.from_dict(model.manifest.config["preset"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(model, error) from error


def load_bundle(model: Artifact) -> "Bundle":
    """The bundle of a model.

    Raises:
        InputError: it cannot be read, such as one that an earlier version has written.
    """
    from lstm_model.bundle import read_bundle

    with _unreadable_told(model):
        return read_bundle(model.directory)


def load_scorer(model: Artifact, segmenter: dict[str, Any]) -> "PackedScorer":
    """What scores with a model.

    Args:
        segmenter: the fingerprint of the segmenter that cuts the words it is to score.

    Raises:
        InputError: its bundle cannot be read, such as one that an earlier version has written; or
            it was trained on words that another segmenter has cut.
    """
    from lstm_model.packed import PackedScorer

    with _unreadable_told(model):
        scorer = PackedScorer.load(model.directory)
    trained_on = model.manifest.config.get("segmenter")
    if trained_on is None:
        raise InputError(
            "the model was made before models recorded whose words they were trained on",
            str(model.directory),
            "train a model with this version (`headlines train`) and promote it",
        )
    if not compatible(segmenter, trained_on):
        raise InputError(
            f"the model was trained on other words than it is to score ({describe(trained_on)}; "
            f"now {describe(segmenter)})",
            str(model.directory),
            "set HEADLINES_ENGINE and HEADLINES_DICTIONARY as they were for its training, or train "
            "a model with the present ones",
        )
    return scorer


@contextmanager
def _unreadable_told(model: Artifact) -> Iterator[None]:
    from lstm_model.bundle_files import BundleError

    try:
        yield
    except BundleError as error:
        raise _unreadable(model, error) from error


def _unreadable(model: Artifact, error: Exception) -> InputError:
    return InputError(
        f"the model cannot be read ({error})",
        str(model.directory),
        "train a model with this version (`headlines train`) and promote it",
    )


def is_empty(catalog: Catalog) -> bool:
    """Whether no model was ever made here: no version, and no champion pointer."""
    return not versions(catalog) and not is_document(catalog.champion)
