"""What became of a batch, and of a night: plain data for results and reports."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.readers import ReadOptions
from headlines.scoring import batch_state
from headlines.scoring.batch import Batch
from headlines.storage.artifact import read_manifest
from headlines.storage.layout import Catalog

if TYPE_CHECKING:
    pass


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


def check_same_options(catalog: Catalog, batch: Batch, reading: ReadOptions) -> None:
    """See that a batch that was scored was read as it is now to be read.

    Raises:
        InputError: it was not.
    """
    manifest = read_manifest(catalog.prediction(batch.name))
    before = manifest.config.get("reading") if manifest else None
    others = {
        name: value for name, value in (before or {}).items() if getattr(reading, name) != value
    }
    if others:
        told = ", ".join(f"{name} {value!r}" for name, value in others.items())
        raise InputError(
            f"the batch was scored before, and read otherwise ({told})",
            str(batch.path),
            "add --rescore to score it anew as it is to be read now",
        )


def batch_result(catalog: Catalog, batch: Batch, outcome: str) -> BatchResult:
    """What became of a batch, read from its manifest in `predictions/` or `failed/`."""
    if outcome == "waiting":
        message = str(batch_state.failed_before_error(catalog, batch))
        return BatchResult(batch.name, outcome, message=message)
    directory = catalog.prediction(batch.name)
    manifest = read_manifest(directory)
    if manifest is None:
        raise RuntimeError(f"the predictions of {batch.name} are no longer at {directory}")
    counts = manifest.counts
    return BatchResult(
        batch=batch.name,
        outcome=outcome,
        predictions=str(directory),
        rows_in=counts["rows_in"],
        scored=counts["scored"],
        rejected=counts["rejected"],
        without_content=counts.get("without_content", 0),  # 0: of before models read articles
        reasons=counts["reasons"],
        labels=counts["labels"],
        model=counts["model"],
        profile=counts.get("profile"),
    )


def scored_since(catalog: Catalog, batch: Batch, when: str) -> bool:
    """Whether the predictions of a batch were published since a second, ISO 8601 in UTC."""
    manifest = read_manifest(catalog.prediction(batch.name))
    return manifest is not None and manifest.created_at >= when
