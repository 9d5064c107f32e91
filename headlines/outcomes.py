"""What became of a batch, and of a night: plain data for results and reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headlines.drift import Finding
from headlines.profile import Profile


@dataclass(frozen=True)
class BatchResult:
    """What became of one batch, as plain data.

    Attributes:
        batch: its name.
        outcome: `scored`; `reused` (it was scored before); `stopped` (it cannot be scored);
            `waiting` (stopped on an earlier run, and unchanged); `settling` (left for the next
            night, as it may still be written).
        predictions: directory of its predictions; empty where there are none.
        rows_in: rows of the file.
        scored: rows with a prediction.
        rejected: rows without one.
        reasons: how many rows each reason took.
        labels: how many rows each class got.
        model: version that scored.
        message: why it was stopped, or left.
        profile: what its headlines look like, as `Profile.to_dict` gives it; None of a batch
            without predictions, and of one that was scored before profiles were kept.
        without_content: of those scored, how many were labelled by their titles for want of an
            article that the model would read.
    """

    batch: str
    outcome: str
    predictions: str = ""
    rows_in: int = 0
    scored: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    model: str = ""
    message: str = ""
    profile: dict[str, Any] | None = None
    without_content: int = 0


@dataclass(frozen=True)
class PastNight:
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
class Night:
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
    before: Sequence[PastNight]
    drift: Sequence[Finding]

    @property
    def scored(self) -> list[BatchResult]:
        """The batches that were scored in this night."""
        return [batch for batch in self.batches if batch.outcome == "scored"]
