"""Reads and writes `champion.json`: which model is the champion, and the history of promotions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from headlines.errors import InputError, StoreError
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import validate_name
from headlines.storage.manifest import dump_signed, load_signed
from headlines.storage.store import Document

_FORMAT = 1


@dataclass(frozen=True)
class Promotion:
    """One entry of the champion's history.

    Attributes:
        version: the model that became champion.
        at: when, ISO 8601 in UTC.
        reason: why, in words.
        back_from: the champion before, if this was a rollback; else empty.
    """

    version: str
    at: str
    reason: str
    back_from: str = ""


def has_champion_file(root: DataRoot) -> bool:
    """Whether there is a `champion.json`, even an unreadable one."""
    return root.champion in root.store.list_documents(root.models, ".json")


def read_champion_file(root: DataRoot) -> Document:
    """The document `champion.json`.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return root.store.read_document(root.champion)
    except StoreError:
        raise
    except (OSError, ValueError) as error:
        raise _unreadable(root, error) from error


def parse_history(root: DataRoot, document: Document) -> list[Promotion]:
    """The promotions in the document, the current champion's last; empty if it does not exist.

    Raises:
        InputError: its content is not valid.
    """
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
        raise _unreadable(root, error) from error
    return promotions


def write_history(root: DataRoot, before: Document, promotions: Sequence[Promotion]) -> None:
    """Replace the document `before` by a new history.

    Raises:
        PreconditionFailed: it changed in the meantime.
    """
    data = {
        "format": _FORMAT,
        "version": promotions[-1].version,
        "history": [asdict(promotion) for promotion in promotions],
    }
    root.store.replace_document(before, dump_signed(data).encode())


def _unreadable(root: DataRoot, error: Exception) -> InputError:
    reason = error.problem if isinstance(error, InputError) else error
    return InputError(
        f"the champion pointer cannot be read ({reason})",
        root.location(root.champion),
        "restore it from a copy, or choose a champion with `headlines promote VERSION`",
    )
