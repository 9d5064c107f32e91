"""The champion: the model that scores, how it is replaced and rolled back."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from headlines.errors import InputError
from headlines.models import registry
from headlines.models.champion_file import (
    Promotion,
    parse_history,
    read_champion_file,
    write_history,
)
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import file_lock
from headlines.storage.bucket.errors import PreconditionFailed
from headlines.storage.documents import (
    Document,
    backup_document,
    delete_document,
    is_there,
    write_document,
)
from headlines.storage.layout import Catalog

FIRST_MODEL = "the first model"  # the reason of an automatic promotion
_TRIES = 5  # against other machines, which the local lock does not exclude
_CHOOSE = "choose one of `headlines models` with `headlines promote VERSION`"
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def open_champion(catalog: Catalog) -> Artifact:
    """The model that scores.

    Raises:
        InputError: there is none, or it cannot be used. It is never replaced silently.
    """
    promotions = history(catalog)
    if not promotions:
        if registry.is_empty(catalog):
            raise InputError(
                "there is no model to score with",
                str(catalog.models),
                "run `headlines train`, or `headlines nightly`, which trains a first one",
            )
        raise InputError(
            "there are models, but no champion.json says which one scores",
            str(catalog.champion),
            _CHOOSE,
        )
    version = promotions[-1].version
    if not registry.exists(catalog, version):
        raise InputError(
            f"there is no model {version!r}, which is the champion",
            str(catalog.model(version)),
            "restore it from a copy, or choose another one with `headlines promote VERSION`",
        )
    return registry.open_model(catalog, version)


def resolve(catalog: Catalog, name: str) -> Artifact:
    """The model of that version, or the champion for the name `champion`.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    return open_champion(catalog) if name == "champion" else registry.open_model(catalog, name)


def history(catalog: Catalog) -> list[Promotion]:
    """All promotions, the current champion's last; empty if there is no `champion.json`.

    Raises:
        InputError: the file cannot be read.
    """
    return parse_history(catalog, read_champion_file(catalog))


def promote(
    catalog: Catalog,
    version: str,
    reason: str,
    *,
    instead_of: str | None = None,
    unless_usable: bool = False,
) -> None:
    """Make a model the champion, and add that to the history.

    Does nothing if it already is. An unreadable `champion.json` is kept as
    `champion.json.damaged~1`, the next one as `~2`.

    Args:
        catalog: the data root.
        version: the model.
        reason: why, in words.
        instead_of: the champion that it was compared with.
        unless_usable: promote it only if the current champion cannot be used.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read; or the champion is
            not `instead_of`, or can be used.
    """
    require_usable(catalog, version)
    _with_retries(
        catalog, lambda: _try_promote(catalog, version, reason, instead_of, unless_usable)
    )


def rollback(catalog: Catalog) -> Promotion:
    """Make the previous champion the champion again; a second time, the one before it.

    Returns:
        The new entry of the history.

    Raises:
        InputError: there is no previous champion, it is missing, damaged or unreadable, or the
            champion pointer cannot be read.
    """
    return _with_retries(catalog, lambda: _try_rollback(catalog))


def require_usable(catalog: Catalog, version: str) -> None:
    """Check that a model can score, which its digests alone do not say.

    Raises:
        InputError: there is no such model, it is damaged, or it cannot be read.
    """
    model = registry.open_model(catalog, version)
    registry.load_scorer(model, model.manifest.config.get("segmenter", {}))


def mark_first_training(catalog: Catalog) -> None:
    """Note, before the very first model is published, that it is to become the champion.

    So the next run completes the promotion if this one is killed in between, and can tell that case
    from a lost champion pointer.
    """
    if registry.is_empty(catalog):
        write_document(catalog, _first_mark(catalog), b"")


def finish_first_promotion(catalog: Catalog) -> str | None:
    """Promote the first model if it was marked and there is no champion yet.

    Of two models trained at the same time, the older one is promoted.

    Returns:
        The promoted version; None if there was nothing to do.
    """
    with file_lock(catalog, "first-champion"):
        created = {
            version: manifest.created_at
            for version, manifest in registry.manifests(catalog).items()
        }
        if not created or not is_there(_first_mark(catalog)):
            return None
        promoted = None
        if not is_there(catalog.champion):
            promoted = min(created, key=lambda version: (created[version], version))
            promote(catalog, promoted, FIRST_MODEL)
        delete_document(_first_mark(catalog))
    return promoted


def _with_retries(catalog: Catalog, change: Callable[[], _Result]) -> _Result:
    """Change the champion under the lock, again if another machine changed it in the meantime."""
    with file_lock(catalog, "champion"):
        for _ in range(_TRIES):
            try:
                return change()
            except PreconditionFailed:
                continue
    raise InputError(
        "the champion keeps changing",
        str(catalog.champion),
        "see `headlines models`, and try again if another model should be the champion",
    )


def _try_promote(
    catalog: Catalog, version: str, reason: str, instead_of: str | None, unless_usable: bool
) -> None:
    document, damaged = Document(catalog.champion, ""), False
    try:
        document = read_champion_file(catalog)
        promotions = parse_history(catalog, document)
    except InputError as error:
        if instead_of is not None:
            raise
        _log.warning("%s", error)
        promotions, damaged = [], True
    current = promotions[-1].version if promotions else None
    if current == version or (current and reason == FIRST_MODEL):
        return
    if instead_of not in (None, current):
        raise _champion_changed(
            catalog, version, current, f"{version} was found better than {instead_of}"
        )
    if unless_usable and current and _is_usable(catalog, current):
        raise _champion_changed(
            catalog, version, current, "there was no champion to compare it with"
        )
    if damaged:
        backup_document(document)
    write_history(catalog, document, [*promotions, Promotion(version, _now(), reason)])


def _try_rollback(catalog: Catalog) -> Promotion:
    document = read_champion_file(catalog)
    promotions = parse_history(catalog, document)
    stack = _rollback_stack(promotions)
    if len(stack) < 2:
        raise InputError(
            "there is no previous champion" if stack else "there is no champion",
            str(catalog.champion),
            _CHOOSE,
        )
    previous, current = stack[-2:]
    require_usable(catalog, previous)
    step = Promotion(previous, _now(), f"rolled back from {current}", back_from=current)
    write_history(catalog, document, [*promotions, step])
    return step


def _is_usable(catalog: Catalog, version: str) -> bool:
    try:
        require_usable(catalog, version)
    except InputError:
        return False
    return True


def _champion_changed(
    catalog: Catalog, version: str, current: str | None, basis: str
) -> InputError:
    return InputError(
        f"{basis}, but {current} became champion in the meantime",
        str(catalog.champion),
        f"judge it again with `headlines promote {version}`",
    )


def _rollback_stack(promotions: Sequence[Promotion]) -> list[str]:
    """The versions that rollbacks go through, the current champion last."""
    stack: list[str] = []
    for promotion in promotions:
        if promotion.back_from:
            del stack[-1:]
        else:
            stack.append(promotion.version)
    return stack


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first_mark(catalog: Catalog) -> Path:
    return catalog.models / ".first-champion"
