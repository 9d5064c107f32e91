"""What is kept of each night for the reports of those after it: a JSON file beside its report.

A night that has left no report, as it was killed, leaves a note of when it began: what it scored
stands in the report of the next one.
"""

import itertools
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from headlines.catalog import Catalog
from headlines.drafts import write_atomically
from headlines.manifest import sealed, unsealed
from headlines.object_store.documents import bring_document, documents_in, keep_document
from headlines.outcomes import Night, PastNight
from headlines.profile import Profile

_FORMAT = 1
_KEPT_IN_VIEW = 14  # nights, a fortnight: the week before stands beside the last one
_log = logging.getLogger(__name__)


def begin_night(catalog: Catalog) -> str | None:
    """Note that a night begins.

    Returns:
        When the first night began that has left no report since, ISO 8601 in UTC; None where every
        night has.
    """
    note = _note(catalog)
    try:
        return datetime.fromisoformat(note.read_text(encoding="ascii")).isoformat()
    except FileNotFoundError:
        pass
    except ValueError:
        _log.warning("%s cannot be read: the report may lack what a killed night scored", note)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomically(catalog, note, now.encode())
    return None


def keep_night(catalog: Catalog, report: Path, night: Night) -> None:
    """Keep what the nights to come are to know of a night, beside its report: it has ended."""
    data = {"format": _FORMAT, "model": night.model, "profile": night.profile.to_dict()}
    keep_document(catalog, report.with_suffix(".json"), sealed(data).encode())
    _note(catalog).unlink(missing_ok=True)


def nights_before(folder: Path) -> list[PastNight]:
    """The last 14 nights that scored anything, the latest last.

    One whose file is damaged is left out, with a warning.

    Args:
        folder: of the nightly reports; need not be there.
    """
    latest = (night for night in _latest_first(folder) if night.profile.rows)
    return list(itertools.islice(latest, _KEPT_IN_VIEW))[::-1]


def _note(catalog: Catalog) -> Path:
    return catalog.work / "night-begun"


def _latest_first(folder: Path) -> Iterator[PastNight]:
    for path in reversed(documents_in(folder, ".json")):
        try:
            data = unsealed(bring_document(path).read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                raise ValueError("its format is not known")
            yield PastNight(path.stem, str(data["model"]), Profile.from_dict(data["profile"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be read (%s): the report goes without it", path, error)
