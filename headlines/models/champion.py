"""The champion: the model that scores, how it is replaced and rolled back."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from headlines.errors import InputError, PreconditionFailed
from headlines.models import registry
from headlines.models.champion_file import (
    Promotion,
    has_champion_file,
    parse_history,
    read_champion_file,
    write_history,
)
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.store import Document

FIRST_MODEL = "the first model"  # the reason of an automatic promotion
_TRIES = 5  # against other machines, which the local lock does not exclude
_CHOOSE = "choose one of `headlines models` with `headlines promote VERSION`"
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def open_champion(root: DataRoot) -> Artifact:
    """The model that scores.

    Raises:
        InputError: there is none, or it cannot be used. It is never replaced silently.
    """
    promotions = history(root)
    if not promotions:
        if registry.is_empty(root):
            raise InputError(
                "there is no model to score with",
                root.location(root.models),
                "run `headlines train`, or `headlines nightly`, which trains a first one",
            )
        raise InputError(
            "there are models, but no champion.json says which one scores",
            root.location(root.champion),
            _CHOOSE,
        )
    version = promotions[-1].version
    if not registry.exists(root, version):
        raise InputError(
            f"there is no model {version!r}, which is the champion",
            root.location(root.model(version)),
            "restore it from a copy, or choose another one with `headlines promote VERSION`",
        )
    return registry.open_model(root, version)


def resolve(root: DataRoot, name: str) -> Artifact:
    """The model of that version, or the champion for the name `champion`.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    return open_champion(root) if name == "champion" else registry.open_model(root, name)


def history(root: DataRoot) -> list[Promotion]:
    """All promotions, the current champion's last; empty if there is no `champion.json`.

    Raises:
        InputError: the file cannot be read.
    """
    return parse_history(root, read_champion_file(root))


def current_version(root: DataRoot) -> str | None:
    """The champion's version; None if there is none, or `champion.json` cannot be read."""
    try:
        promotions = history(root)
    except InputError:
        return None
    return promotions[-1].version if promotions else None


def promote(
    root: DataRoot,
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
        root: the data root.
        version: the model.
        reason: why, in words.
        instead_of: the champion that it was compared with.
        unless_usable: promote it only if the current champion cannot be used.

    Raises:
        InputError: there is no such model, or it is damaged or cannot be read; or the champion is
            not `instead_of`, or can be used.
    """
    require_usable(root, version)
    _with_retries(root, lambda: _try_promote(root, version, reason, instead_of, unless_usable))


def rollback(root: DataRoot) -> Promotion:
    """Make the previous champion the champion again; a second time, the one before it.

    Returns:
        The new entry of the history.

    Raises:
        InputError: there is no previous champion, it is missing, damaged or unreadable, or the
            champion pointer cannot be read.
    """
    return _with_retries(root, lambda: _try_rollback(root))


def require_usable(root: DataRoot, version: str) -> None:
    """Check that a model can score, which its digests alone do not say.

    Raises:
        InputError: there is no such model, it is damaged, or it cannot be read.
    """
    model = registry.open_model(root, version)
    registry.load_scorer(model, model.manifest.config.get("segmenter", {}))


def mark_first_training(root: DataRoot) -> None:
    """Note, before the very first model is published, that it is to become the champion.

    So the next run completes the promotion if this one is killed in between, and can tell that case
    from a lost champion pointer.
    """
    if registry.is_empty(root):
        root.store.write_document(root.first_champion, b"")


def finish_first_promotion(root: DataRoot) -> str | None:
    """Promote the first model if it was marked and there is no champion yet.

    Of two models trained at the same time, the older one is promoted.

    Returns:
        The promoted version; None if there was nothing to do.
    """
    with root.store.lock("first-champion"):
        created = {
            version: manifest.created_at for version, manifest in registry.manifests(root).items()
        }
        if not created or root.store.read_document(root.first_champion).text is None:
            return None
        promoted = None
        if not has_champion_file(root):
            promoted = min(created, key=lambda version: (created[version], version))
            promote(root, promoted, FIRST_MODEL)
        root.store.delete_document(root.first_champion)
    return promoted


def _with_retries(root: DataRoot, change: Callable[[], _Result]) -> _Result:
    """Change the champion under the lock, again if another machine changed it in the meantime."""
    with root.store.lock("champion"):
        for _ in range(_TRIES):
            try:
                return change()
            except PreconditionFailed:
                continue
    raise InputError(
        "the champion keeps changing",
        root.location(root.champion),
        "see `headlines models`, and try again if another model should be the champion",
    )


def _try_promote(
    root: DataRoot, version: str, reason: str, instead_of: str | None, unless_usable: bool
) -> None:
    document, damaged = Document(root.champion, ""), False
    try:
        document = read_champion_file(root)
        promotions = parse_history(root, document)
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
            root, version, current, f"{version} was found better than {instead_of}"
        )
    if unless_usable and current and _is_usable(root, current):
        raise _champion_changed(root, version, current, "there was no champion to compare it with")
    if damaged:
        root.store.back_up_document(document)
    write_history(root, document, [*promotions, Promotion(version, _now(), reason)])


def _try_rollback(root: DataRoot) -> Promotion:
    document = read_champion_file(root)
    promotions = parse_history(root, document)
    stack = _rollback_stack(promotions)
    if len(stack) < 2:
        raise InputError(
            "there is no previous champion" if stack else "there is no champion",
            root.location(root.champion),
            _CHOOSE,
        )
    previous, current = stack[-2:]
    require_usable(root, previous)
    step = Promotion(previous, _now(), f"rolled back from {current}", back_from=current)
    write_history(root, document, [*promotions, step])
    return step


def _is_usable(root: DataRoot, version: str) -> bool:
    try:
        require_usable(root, version)
    except InputError:
        return False
    return True


def _champion_changed(root: DataRoot, version: str, current: str | None, basis: str) -> InputError:
    return InputError(
        f"{basis}, but {current} became champion in the meantime",
        root.location(root.champion),
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
