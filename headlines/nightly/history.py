"""The record of each night for the reports of later nights: a JSON file next to its report.

A night that was killed before its report leaves a note of when it began: the next report includes
what it scored.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from headlines.metrics.drift import DriftFinding
from headlines.metrics.profile import Profile
from headlines.review.accuracy import LowerFigure, ReviewedAccuracy
from headlines.scoring.results import BatchResult
from headlines.storage.atomic import write_atomically
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import dump_signed, load_signed

_FORMAT = 1
# Fields that earlier releases lack.
_LATER = ("rejected", "stopped", "drift", "drift_level", "reviewed", "reviewed_headlines")
_DRIFT_LEVELS = ("ok", "warn", "stop")
_NOTE = "night-begun"  # below the work directory
_MAX_NIGHTS = 14  # in a report: the last week and the one before
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NightRecord:
    """The record of a night for the reports of later nights.

    Attributes:
        title: its time in UTC, as in the name of its report.
        model: version that scored.
        profile: what the headlines scored in it look like.
        rejected: rows that could not be scored; None in records of earlier releases, as below.
        stopped: batches that were stopped.
        drift: the highest population stability index that was judged.
        drift_level: `ok`, `warn` or `stop`, the most serious of the night.
        reviewed: accuracy on reviewed headlines of the weeks before; None without labels.
        reviewed_headlines: how many those are.
    """

    title: str
    model: str
    profile: Profile
    rejected: int | None = None
    stopped: int | None = None
    drift: float | None = None
    drift_level: str | None = None
    reviewed: float | None = None
    reviewed_headlines: int | None = None


@dataclass(frozen=True)
class NightSummary:
    """The results of a night.

    Attributes:
        model: version that scored.
        batches: result of each batch that had not been scored before.
        reused: how many had been scored before.
        left_out: how many batches were left out, by reason.
        skipped: by name, files that are not batches, with the reason.
        profile: of all headlines scored in this night.
        reference: of the dev headlines that the model was evaluated on.
        before: records of the nights before, the latest last.
        drift: how far `profile` is from `reference`.
        reviewed: how accurate predictions of the last weeks are by people's labels; None where
            there are no labels.
        worse_than_evaluated: what of it is worse than in the model's evaluation.
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
    reviewed: ReviewedAccuracy | None = None
    worse_than_evaluated: Sequence[LowerFigure] = ()

    @property
    def scored(self) -> list[BatchResult]:
        """The batches that were scored in this night."""
        return [batch for batch in self.batches if batch.outcome == "scored"]


def mark_started(root: DataRoot) -> str | None:
    """Note that a night begins.

    Returns:
        When the earliest night without a report began, ISO 8601 in UTC; None if all have one.
    """
    note = root.store.work / _NOTE
    try:
        return datetime.fromisoformat(note.read_text(encoding="ascii")).isoformat()
    except FileNotFoundError:
        pass
    except ValueError:
        _log.warning("%s cannot be read: the report may lack what a killed night scored", note)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomically(root.store.work, note, now.encode())
    return None


def save_night(root: DataRoot, title: str, night: NightSummary) -> None:
    """Record a night that has ended for the reports of later nights, next to its report."""
    judged = [finding for finding in night.drift if finding.level in _DRIFT_LEVELS]
    worst = max(judged, key=lambda finding: _DRIFT_LEVELS.index(finding.level), default=None)
    data = {
        "format": _FORMAT,
        "model": night.model,
        "profile": night.profile.to_dict(),
        "rejected": sum(batch.rejected for batch in night.scored),
        "stopped": sum(batch.outcome == "stopped" for batch in night.batches),
        "drift": max((finding.psi or 0.0 for finding in judged), default=None),
        "drift_level": worst.level if worst else None,
        "reviewed": night.reviewed.accuracy if night.reviewed else None,
        "reviewed_headlines": night.reviewed.headlines if night.reviewed else None,
    }
    name = f"{root.nightly_reports}/{title}.json"
    root.store.write_document(name, dump_signed(data).encode())
    (root.store.work / _NOTE).unlink(missing_ok=True)


def recent_nights(root: DataRoot) -> list[NightRecord]:
    """The last 14 nights that scored anything, the latest last.

    One whose record is damaged is left out, with a warning.
    """
    latest = (night for night in _latest_first(root) if night.profile.rows)
    return list(itertools.islice(latest, _MAX_NIGHTS))[::-1]


def nights(root: DataRoot, most: int) -> list[NightRecord]:
    """At most so many nights, also those that scored nothing, the latest first."""
    return list(itertools.islice(_latest_first(root), most))


def _latest_first(root: DataRoot) -> Iterator[NightRecord]:
    for name in reversed(root.store.list_documents(root.nightly_reports, ".json")):
        try:
            data = load_signed(root.store.read_document(name).text or "")
            if data["format"] != _FORMAT:
                raise ValueError("its format is not known")
            yield NightRecord(
                title=PurePosixPath(name).stem,
                model=str(data["model"]),
                profile=Profile.from_dict(data["profile"]),
                **{name: data.get(name) for name in _LATER},
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be read (%s): the report omits it", root.location(name), error)
