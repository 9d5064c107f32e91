"""What is kept of each night for the reports of those after it: a JSON file beside its report.

A night that has left no report, as it was killed, leaves a note of when it began: what it scored
stands in the report of the next one.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headlines.metrics.drift import DriftFinding
from headlines.metrics.profile import Profile
from headlines.scoring.results import BatchResult
from headlines.storage.atomic import write_atomically
from headlines.storage.documents import documents_in, fetch_document, write_document
from headlines.storage.layout import Catalog
from headlines.storage.manifest import dump_signed, load_signed

_FORMAT = 1
_KEPT_IN_VIEW = 14  # nights, a fortnight: the week before stands beside the last one
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NightRecord:
    """What is kept of a night for the reports of those after it.

    Attributes:
        title: its time in UTC, as in the name of its report.
        model: version that scored.
        profile: what the headlines scored in it look like.
    """

    title: str
    model: str
    profile: Profile


@dataclass(frozen=True)
class NightSummary:
    """What became of the inbox in a night.

    Attributes:
        model: version that scored.
        batches: what became of each batch, those aside that had been scored before.
        reused: how many had been scored before.
        left_out: how many batches were left out, by what kept them out.
        skipped: files that are no batches, each with the reason.
        profile: what all headlines scored in this night look like.
        reference: the same of the dev headlines that the model was evaluated on.
        before: the same of the nights before, the latest last.
        drift: how far `profile` is from `reference`.
    """

    model: str
    batches: Sequence[BatchResult]
    reused: int
    left_out: dict[str, int]
    skipped: dict[str, str]
    profile: Profile
    reference: Profile
    before: Sequence[NightRecord]
    drift: Sequence[DriftFinding]

    @property
    def scored(self) -> list[BatchResult]:
        """The batches that were scored in this night."""
        return [batch for batch in self.batches if batch.outcome == "scored"]


def mark_started(catalog: Catalog) -> str | None:
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


def save_night(catalog: Catalog, report: Path, night: NightSummary) -> None:
    """Keep what the nights to come are to know of a night, beside its report: it has ended."""
    data = {"format": _FORMAT, "model": night.model, "profile": night.profile.to_dict()}
    write_document(catalog, report.with_suffix(".json"), dump_signed(data).encode())
    _note(catalog).unlink(missing_ok=True)


def recent_nights(folder: Path) -> list[NightRecord]:
    """The last 14 nights that scored anything, the latest last.

    One whose file is damaged is left out, with a warning.

    Args:
        folder: of the nightly reports; need not be there.
    """
    latest = (night for night in _latest_first(folder) if night.profile.rows)
    return list(itertools.islice(latest, _KEPT_IN_VIEW))[::-1]


def _note(catalog: Catalog) -> Path:
    return catalog.work / "night-begun"


def _latest_first(folder: Path) -> Iterator[NightRecord]:
    for path in reversed(documents_in(folder, ".json")):
        try:
            data = load_signed(fetch_document(path).read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                raise ValueError("its format is not known")
            yield NightRecord(path.stem, str(data["model"]), Profile.from_dict(data["profile"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be read (%s): the report goes without it", path, error)
