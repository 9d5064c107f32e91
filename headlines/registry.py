"""The models: immutable versions, and the champion among them that scores."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.artifact import Artifact, open_artifact, read_manifest
from headlines.catalog import Catalog
from headlines.drafts import locked, write_atomically
from headlines.errors import DamagedArtifact, InputError
from headlines.manifest import Manifest, sealed, unsealed
from headlines.segmentation import described, same_words

if TYPE_CHECKING:
    from lstm_model.bundle import Bundle
    from lstm_model.packed import PackedScorer

_FORMAT = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Promotion:
    """One entry of the champion's history.

    Attributes:
        version: the model that was made champion.
        at: when, ISO 8601 in UTC.
        reason: why, in words.
    """

    version: str
    at: str
    reason: str


def version_of(key: str) -> str:
    """The name of a model made today: its date and the first 8 digits of its key."""
    return f"{datetime.now(UTC):%Y-%m-%d}-{key[:8]}"


def versions(catalog: Catalog) -> list[str]:
    """The names of all models, in order of the day they were made on."""
    if not catalog.models.is_dir():
        return []
    return sorted(
        path.name
        for path in catalog.models.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


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
            artifact = model(catalog, version)
            if artifact.manifest.key == key:
                return artifact
    return None


def model(catalog: Catalog, version: str) -> Artifact:
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


def bundle(model: Artifact) -> "Bundle":
    """The bundle of a model.

    Raises:
        InputError: it cannot be read, such as one that an earlier version has written.
    """
    from lstm_model.bundle import read_bundle

    with _unreadable_told(model):
        return read_bundle(model.directory)


def scorer(model: Artifact, segmenter: dict[str, Any]) -> "PackedScorer":
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
    if not same_words(segmenter, trained_on):
        raise InputError(
            f"the model was trained on other words than it is to score ({described(trained_on)}; "
            f"now {described(segmenter)})",
            str(model.directory),
            "set HEADLINES_ENGINE and HEADLINES_DICTIONARY as they were for its training, or train "
            "a model with the present ones",
        )
    return scorer


@contextmanager
def _unreadable_told(model: Artifact) -> Iterator[None]:
    from lstm_model.bundle import BundleError

    try:
        yield
    except BundleError as error:
        raise InputError(
            f"the model cannot be read ({error})",
            str(model.directory),
            "train a model with this version (`headlines train`) and promote it",
        ) from error


def named(catalog: Catalog, name: str) -> Artifact:
    """The model of that version, or the champion where the name is `champion`.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    return champion(catalog) if name == "champion" else model(catalog, name)


def champion(catalog: Catalog) -> Artifact:
    """The model that scores.

    Raises:
        InputError: there is none, or it cannot be used. It is never replaced in silence.
    """
    history = champion_history(catalog)
    if not history:
        if is_empty(catalog):
            raise InputError(
                "there is no model to score with",
                str(catalog.models),
                "run `headlines train`, or `headlines nightly`, which makes a first one",
            )
        raise InputError(
            "there are models, but no champion.json says which one scores",
            str(catalog.champion),
            "choose one of `headlines models` with `headlines promote VERSION`",
        )
    return model(catalog, history[-1].version)


def champion_history(catalog: Catalog) -> list[Promotion]:
    """All promotions, the present champion's last; empty where `champion.json` is missing.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        data = unsealed(catalog.champion.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError("its format is not known")
        history = [Promotion(**entry) for entry in data["history"]]
        if not history or history[-1].version != data["version"]:
            raise ValueError("its history does not end with the champion")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the champion pointer cannot be read ({error})",
            str(catalog.champion),
            "restore it from a copy, or choose a champion with `headlines promote VERSION`",
        ) from error
    return history


def promote(catalog: Catalog, version: str, reason: str) -> None:
    """Make a model the champion, and add that to the history.

    A pointer that cannot be read is kept beside the new one as `champion.json.damaged`.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    model(catalog, version)
    with locked(catalog, "champion"):
        try:
            history = champion_history(catalog)
        except InputError as error:
            _log.warning("%s", error)
            catalog.champion.rename(catalog.champion.with_name("champion.json.damaged"))
            history = []
        if history and history[-1].version == version:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        history.append(Promotion(version, now, reason))
        data = {
            "format": _FORMAT,
            "version": version,
            "history": [asdict(promotion) for promotion in history],
        }
        write_atomically(catalog, catalog.champion, sealed(data).encode())


def is_empty(catalog: Catalog) -> bool:
    """Whether no model was ever made here: no version, and no champion pointer."""
    return not versions(catalog) and not catalog.champion.exists()


def announce_first(catalog: Catalog) -> None:
    """Note, before the very first model is published, that it is to be the champion.

    A run that is killed between publishing and promoting is thereby completed by the next one,
    and told apart from a champion pointer that was lost.
    """
    if is_empty(catalog):
        write_atomically(catalog, _first(catalog), b"")


def complete_first(catalog: Catalog) -> str | None:
    """Promote the first model if it was announced and has no champion beside it.

    Of two that were trained at the same time, the one that was there first is promoted.

    Returns:
        The version that was promoted; None where there was nothing to complete.
    """
    with locked(catalog, "first-champion"):
        made = {version: made.created_at for version, made in manifests(catalog).items()}
        if not made or not _first(catalog).exists():
            return None
        promoted = None
        if not catalog.champion.exists():
            promoted = min(made, key=lambda version: (made[version], version))
            promote(catalog, promoted, "the first model")
        _first(catalog).unlink(missing_ok=True)
    return promoted


def _first(catalog: Catalog) -> Path:
    return catalog.models / ".first-champion"
