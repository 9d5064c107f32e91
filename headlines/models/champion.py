"""The champion: which model scores, how it came to, and the way back."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from headlines.errors import InputError
from headlines.models import registry
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import file_lock
from headlines.storage.bucket.errors import PreconditionFailed, StoreError
from headlines.storage.documents import (
    Document,
    backup_document,
    delete_document,
    is_there,
    read_document,
    replace_document,
    write_document,
)
from headlines.storage.layout import Catalog, validate_name
from headlines.storage.manifest import dump_signed, load_signed

FIRST = "the first model"  # the reason of a promotion that nobody chose
_FORMAT = 1
_TRIES = 5  # against other machines, which no lock of this one keeps away
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Promotion:
    """One entry of the champion's history.

    Attributes:
        version: the model that was made champion.
        at: when, ISO 8601 in UTC.
        reason: why, in words.
        back_from: the champion before it, where this was a step back; empty where it was not.
    """

    version: str
    at: str
    reason: str
    back_from: str = ""


def open_champion(catalog: Catalog) -> Artifact:
    """The model that scores.

    Raises:
        InputError: there is none, or it cannot be used. It is never replaced in silence.
    """
    promotions = history(catalog)
    if not promotions:
        if registry.is_empty(catalog):
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
    version = promotions[-1].version
    if not registry.is_there(catalog, version):
        raise InputError(
            f"there is no model {version!r}, which is the champion",
            str(catalog.model(version)),
            "restore it from a copy, or choose another one with `headlines promote VERSION`",
        )
    return registry.open_model(catalog, version)


def resolve(catalog: Catalog, name: str) -> Artifact:
    """The model of that version, or the champion where the name is `champion`.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    return open_champion(catalog) if name == "champion" else registry.open_model(catalog, name)


def history(catalog: Catalog) -> list[Promotion]:
    """All promotions, the present champion's last; empty where `champion.json` is missing.

    Raises:
        InputError: the file cannot be read.
    """
    return _promotions(catalog, _document(catalog))


def _document(catalog: Catalog) -> Document:
    try:
        return read_document(catalog.champion)
    except StoreError:
        raise
    except (OSError, ValueError) as error:
        raise _unreadable(catalog, error) from error


def _promotions(catalog: Catalog, document: Document) -> list[Promotion]:
    if document.text is None:
        return []
    try:
        data = load_signed(document.text)
        if data["format"] != _FORMAT:
            raise ValueError("its format is not known")
        promotions = [Promotion(**entry) for entry in data["history"]]
        for promotion in promotions:
            validate_name(promotion.version, "model version")
        if not promotions or promotions[-1].version != data["version"]:
            raise ValueError("its history does not end with the champion")
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise _unreadable(catalog, error) from error
    return promotions


def _unreadable(catalog: Catalog, error: Exception) -> InputError:
    reason = error.problem if isinstance(error, InputError) else error
    return InputError(
        f"the champion pointer cannot be read ({reason})",
        str(catalog.champion),
        "restore it from a copy, or choose a champion with `headlines promote VERSION`",
    )


def promote(
    catalog: Catalog,
    version: str,
    reason: str,
    *,
    instead_of: str | None = None,
    unless_usable: bool = False,
) -> None:
    """Make a model the champion, and add that to the history.

    Nothing is done where it is the champion already. A pointer that cannot be read is kept beside
    the new one as `champion.json.damaged~1`, the next one as `~2`.

    Args:
        catalog: the data root.
        version: the model.
        reason: why, in words.
        instead_of: the champion that it was found better than.
        unless_usable: whether it is promoted only for want of a champion that can be used.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read; or another one than
            `instead_of`, or one that can be used, has become the champion meanwhile.
    """
    require_usable(catalog, version)
    with file_lock(catalog, "champion"):
        for _ in range(_TRIES):
            with contextlib.suppress(
                PreconditionFailed
            ):  # judged anew beside what stands there now
                _promote(catalog, version, reason, instead_of, unless_usable)
                return
    raise _restless(catalog)


def _promote(
    catalog: Catalog, version: str, reason: str, instead_of: str | None, unless_usable: bool
) -> None:
    document, damaged = Document(catalog.champion, ""), False
    try:
        document = _document(catalog)
        promotions = _promotions(catalog, document)
    except InputError as error:
        if instead_of is not None:
            raise
        _log.warning("%s", error)
        promotions, damaged = [], True
    present = promotions[-1].version if promotions else None
    if present == version or (present and reason == FIRST):
        return
    if instead_of not in (None, present):
        raise _champion_changed(
            catalog, version, present, f"{version} was found better than {instead_of}"
        )
    if unless_usable and present and _is_usable(catalog, present):
        raise _champion_changed(
            catalog, version, present, "there was no champion to compare it with"
        )
    if damaged:
        backup_document(document)
    _write(catalog, document, [*promotions, Promotion(version, _now(), reason)])


def rollback(catalog: Catalog) -> Promotion:
    """Make the champion before the present one the champion again; a second time, the one before.

    Returns:
        The new entry of the history.

    Raises:
        InputError: there was none before, it is gone, damaged or cannot be read, or the pointer
            cannot be read.
    """
    with file_lock(catalog, "champion"):
        for _ in range(_TRIES):
            with contextlib.suppress(PreconditionFailed):
                return _roll_back(catalog)
    raise _restless(catalog)


def _roll_back(catalog: Catalog) -> Promotion:
    document = _document(catalog)
    promotions = _promotions(catalog, document)
    line = _rollback_stack(promotions)
    if len(line) < 2:
        raise InputError(
            "there is no champion before the present one" if line else "there is no champion",
            str(catalog.champion),
            "choose one of `headlines models` with `headlines promote VERSION`",
        )
    before, present = line[-2:]
    require_usable(catalog, before)
    step = Promotion(before, _now(), f"rolled back from {present}", back_from=present)
    _write(catalog, document, [*promotions, step])
    return step


def require_usable(catalog: Catalog, version: str) -> None:
    """See that a model can score, before it is relied on: its digests alone do not tell.

    Raises:
        InputError: there is none of that name, it is damaged, or it cannot be read.
    """
    model = registry.open_model(catalog, version)
    registry.load_scorer(model, model.manifest.config.get("segmenter", {}))


def _is_usable(catalog: Catalog, version: str) -> bool:
    try:
        require_usable(catalog, version)
    except InputError:
        return False
    return True


def _champion_changed(
    catalog: Catalog, version: str, present: str | None, judged: str
) -> InputError:
    return InputError(
        f"{judged}, but {present} has become the champion meanwhile",
        str(catalog.champion),
        f"judge it anew with `headlines promote {version}`",
    )


def _restless(catalog: Catalog) -> InputError:
    return InputError(
        "other runs change the champion again and again",
        str(catalog.champion),
        "see which it is with `headlines models`, and run it once more if it should be another",
    )


def _rollback_stack(promotions: Sequence[Promotion]) -> list[str]:
    """The versions that a rollback goes along, the present champion last: all steps back undone."""
    line: list[str] = []
    for promotion in promotions:
        if promotion.back_from:
            del line[-1:]
        else:
            line.append(promotion.version)
    return line


def _write(catalog: Catalog, before: Document, promotions: Sequence[Promotion]) -> None:
    data = {
        "format": _FORMAT,
        "version": promotions[-1].version,
        "history": [asdict(promotion) for promotion in promotions],
    }
    replace_document(catalog, before, dump_signed(data).encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def mark_first_training(catalog: Catalog) -> None:
    """Note, before the very first model is published, that it is to be the champion.

    A run that is killed between publishing and promoting is thereby completed by the next one,
    and told apart from a champion pointer that was lost.
    """
    if registry.is_empty(catalog):
        write_document(catalog, _first(catalog), b"")


def finish_first_promotion(catalog: Catalog) -> str | None:
    """Promote the first model if it was announced and has no champion beside it.

    Of two that were trained at the same time, the one that was there first is promoted.

    Returns:
        The version that was promoted; None where there was nothing to complete.
    """
    with file_lock(catalog, "first-champion"):
        found = registry.manifests(catalog)
        made = {version: manifest.created_at for version, manifest in found.items()}
        if not made or not is_there(_first(catalog)):
            return None
        promoted = None
        if not is_there(catalog.champion):
            promoted = min(made, key=lambda version: (made[version], version))
            promote(catalog, promoted, FIRST)
        delete_document(_first(catalog))
    return promoted


def _first(catalog: Catalog) -> Path:
    return catalog.models / ".first-champion"
